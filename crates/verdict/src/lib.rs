//! May this packet pass? One function for the kernel, the simulator, explain and the tests
