"""What the papers print, as they print it: stands beside our numbers, always labelled as theirs. A module a paper."""
