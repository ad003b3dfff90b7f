"""What other libraries make of simulated bars, recorded so that every test run can be held against it."""
