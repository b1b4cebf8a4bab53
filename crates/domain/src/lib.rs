//! The nouns of the network: codes, kinds, numbers, prefixes, lines, services, agreements, classes
