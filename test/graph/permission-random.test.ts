// Random graphs and changes of them: the product accepts and refuses what the brute-force oracle
// does, and a refused change leaves no trace. The long form: BLOCK_BACKEND_TEST_STEPS=10000.

import { chooseSeed } from '../support/random.js';
import { PermissionProduct } from './permission-product.js';
import { permissionWalk } from './permission-walk.js';

const seed = chooseSeed();
const steps = Number(process.env.BLOCK_BACKEND_TEST_STEPS ?? 1500);

test('PERM-4: random changes are judged as the brute-force oracle judges them', async () => {
  console.log(`PERM-4 seed ${seed}, ${steps} steps`);
  const result = await permissionWalk(new PermissionProduct(), { seed, steps });
  expect(result.ok).toBeGreaterThan(steps / 4);
  expect(result.refused).toBeGreaterThan(steps / 100);
}, 600_000);
