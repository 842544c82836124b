"""Parts of the benchmarks: cases, placement of annotated slices, child processes, tables."""
