//! WFDB records and annotations.
