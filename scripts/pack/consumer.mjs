// The same by import.
import * as blockBackend from 'block-backend';
import { consume } from './consumer.cjs';

await consume(blockBackend, 'import');
