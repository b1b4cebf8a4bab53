//! What travels between center, gateway and site: the policy feed and the attach conversation
