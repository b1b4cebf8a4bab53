//! A whole region in network namespaces
