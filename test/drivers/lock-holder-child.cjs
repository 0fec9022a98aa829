// Holds an image open until its input ends, or until it is killed.
const { BlockBackend } = require('block-backend');

const { options, settings } = JSON.parse(process.argv[2]);

async function main() {
  const blk = await BlockBackend.open(options, settings);
  console.log('holding');
  for await (const _ of process.stdin);
  await blk.close();
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
