//! Measurements that an operator can repeat: `iryonet bench`.

pub mod verdict;
