//! The network's edge (ゲートウェイ): ends lines, enforces, translates, shapes.

pub mod policy;

pub mod datapath;
