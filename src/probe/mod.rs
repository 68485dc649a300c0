//! Run one probe once; a file per kind.
