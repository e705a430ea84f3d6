"""Many runs that differ in what is asked about: planned, spread over processes, set side by side."""
