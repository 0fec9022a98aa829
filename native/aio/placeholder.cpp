// Keeps block_core from being empty until the first source file lands.
namespace blk {}
