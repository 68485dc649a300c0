//! The status socket: wire types, server and client.
