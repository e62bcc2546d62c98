//! The matrix of rule 6.
