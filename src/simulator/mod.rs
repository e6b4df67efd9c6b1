//! The virtual house, and its loopback mail server, telephone service and NodeMCU.
