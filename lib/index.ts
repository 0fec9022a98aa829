import { native } from './native.js';

/** The version of the package. */
export const version: string = native.version;
