#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

TEST_CASE("native: the test binary is C++20") { CHECK(__cplusplus >= 202002L); }
