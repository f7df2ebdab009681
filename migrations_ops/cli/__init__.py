"""What each task does between the command line and the functions of the library."""
