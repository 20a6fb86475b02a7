//! The object stores that queries can reach: those of the lake's tables and no other.
//!
//! DataFusion's own registry knows `file://` from the start, and so any file of the machine. Here a store is known once
//! storage has registered it for a table, under the table's own `dab://` address.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::common::exec_err;
use datafusion::error::Result;
use datafusion::execution::object_store::ObjectStoreRegistry;
use object_store::ObjectStore;
use parking_lot::RwLock;
use url::Url;

/// Stores by scheme and authority.
#[derive(Debug, Default)]
pub(crate) struct TableStores {
    stores: RwLock<HashMap<String, Arc<dyn ObjectStore>>>,
}

impl ObjectStoreRegistry for TableStores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.stores.write().insert(address(url), store)
    }

    fn deregister_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        match self.stores.write().remove(&address(url)) {
            Some(store) => Ok(store),
            None => exec_err!("no table store at {}", address(url)),
        }
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        match self.stores.read().get(&address(url)) {
            Some(store) => Ok(store.clone()),
            None => exec_err!("no table store at {}", address(url)),
        }
    }
}

fn address(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.authority())
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn only_registered_stores_are_found() {
        let stores = TableStores::default();
        stores.register_store(&url("dab://a/"), Arc::new(InMemory::new()));
        assert!(stores.get_store(&url("dab://a/part-0.parquet")).is_ok());
        for other in ["file:///etc/passwd", "dab://b/", "http://a/", "s3://a/"] {
            assert!(stores.get_store(&url(other)).is_err(), "{other}");
        }
        stores.deregister_store(&url("dab://a/")).unwrap();
        assert!(stores.get_store(&url("dab://a/")).is_err());
    }
}
