"""Many runs that differ in what is asked about: planned, spread over jobs, set side by side."""
