// jest's global setup in coverage runs: what the tests start is measured as well. Node reads this
// variable when it starts, so that jest itself, which measures in its own way, is left alone.
module.exports = () => {
  process.env.NODE_V8_COVERAGE = process.env.BLOCK_BACKEND_CHILD_COVERAGE;
};
