//! The network's edge: lines, feed, datapath loader, routes
