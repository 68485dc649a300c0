//! Deliver one message through one sink, once; a file per sink. A shell: it tries within its limit, and says why it failed.
