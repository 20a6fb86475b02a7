//! Ports for the sandbox's processes: counted from `--base-port`, or free ones.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use tokio::net::TcpSocket;

/// Ports from one node's first to the next one's.
const PORTS_PER_NODE: u16 = 10;

/// Gives each process of the sandbox an address of its own on this machine.
pub(super) struct Ports {
    /// The first node's first port; 0 for whichever are free.
    base: u16,
    /// Of the free ports, those that are taken: bound, but not listening. The system gives them to nobody who asks for any,
    /// neither to a second process of the sandbox nor to a connection that leaves.
    held: Vec<TcpSocket>,
}

impl Ports {
    pub(super) fn new(base: u16) -> Self {
        Self { base, held: Vec::new() }
    }

    /// The port at `offset` of a node, both counted from 0. What is no node's takes the number of nodes for its node.
    pub(super) fn address(&mut self, node: u16, offset: u16) -> Result<SocketAddr> {
        match self.base {
            0 => self
                .hold(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
                .context("cannot find a free port"),
            base => Ok(SocketAddr::from((
                Ipv4Addr::LOCALHOST,
                base + node * PORTS_PER_NODE + offset,
            ))),
        }
    }

    /// Has no free port given that an earlier start has drawn and the founding names. Somebody may have it already: the
    /// process that is to listen there says so.
    pub(super) fn leave_out(&mut self, address: SocketAddr) {
        if self.base == 0 {
            let _ = self.hold(address);
        }
    }

    /// All are given. On Linux they stay held, since there whoever names a port (with `SO_REUSEADDR`, as tokio's listeners do)
    /// may listen beside a socket that does not; elsewhere nobody could, and they are let go.
    pub(super) fn given(mut self) -> Self {
        if !cfg!(target_os = "linux") {
            self.held.clear();
        }
        self
    }

    fn hold(&mut self, address: SocketAddr) -> std::io::Result<SocketAddr> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let address = socket.local_addr()?;
        self.held.push(socket);
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::net::TcpListener;

    use super::*;

    /// More than a system that draws freely from some 14,000 ports would give without repeating one (here: 1 in 10^15).
    const ADDRESSES: u16 = 1_000;

    #[tokio::test]
    async fn free_ports_are_given_once_and_can_be_listened_at_once_all_are_given() {
        let mut ports = Ports::new(0);
        let addresses: Vec<_> = (0..ADDRESSES).map(|node| ports.address(node, 0).unwrap()).collect();
        assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), addresses.len());
        let _ports = ports.given();
        for address in &addresses[..3] {
            let listener = TcpListener::bind(address).await.unwrap();
            assert_eq!(listener.local_addr().unwrap(), *address);
            drop(listener);
            // as a node that is started again
            TcpListener::bind(address).await.unwrap();
        }
    }

    #[test]
    fn counted_ports_are_those_of_the_node() {
        let mut ports = Ports::new(7400);
        assert_eq!(ports.address(0, 0).unwrap().port(), 7400);
        assert_eq!(ports.address(3, 2).unwrap().port(), 7432);
        assert!(ports.held.is_empty());
    }
}
