//! What the benchmarks of oxkeeper's parts share.
