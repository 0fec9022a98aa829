// The ES module is a view of the CommonJS build, so both kinds of consumer share one native addon.
export * from './index.js';
