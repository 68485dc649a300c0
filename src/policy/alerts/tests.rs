//! Who is told what, told as tests.
