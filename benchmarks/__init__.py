"""Speed and memory, as ratios against a peer in the same interleaved run where there is one."""
