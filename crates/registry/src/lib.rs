//! Participants, sites, lines, services, agreements: commands in, events out
