//! The eight tables of TPC-H, generated while they are loaded.

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use futures::{FutureExt, Stream, StreamExt, stream};
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow, SupplierArrow,
};

/// Rows in one generated batch.
const BATCH_ROWS: usize = 8192;

/// Rows that one thread generates before the next part begins; of lineitem four times as many.
const PART_ROWS: u64 = 16_384;

/// Parts of one table that are generated at once, or wait to be sent.
const PARTS_AT_ONCE: usize = 3;

/// One of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TpchTable {
    Region,
    Nation,
    Supplier,
    Customer,
    Part,
    PartSupp,
    Orders,
    LineItem,
}

impl TpchTable {
    /// All of them, small ones first.
    pub(crate) const ALL: [Self; 8] = [
        Self::Region,
        Self::Nation,
        Self::Supplier,
        Self::Customer,
        Self::Part,
        Self::PartSupp,
        Self::Orders,
        Self::LineItem,
    ];

    /// The name that the specification gives it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Region => "region",
            Self::Nation => "nation",
            Self::Supplier => "supplier",
            Self::Customer => "customer",
            Self::Part => "part",
            Self::PartSupp => "partsupp",
            Self::Orders => "orders",
            Self::LineItem => "lineitem",
        }
    }

    /// How many rows it will have; lineitem's number is random around four per order.
    pub(crate) fn rows(self, scale: f64) -> u64 {
        let rows = match self {
            Self::Region => 5,
            Self::Nation => 25,
            Self::Supplier => SupplierGenerator::calculate_row_count(scale, 1, 1),
            Self::Customer => CustomerGenerator::calculate_row_count(scale, 1, 1),
            Self::Part => PartGenerator::calculate_row_count(scale, 1, 1),
            Self::PartSupp => PartSuppGenerator::calculate_row_count(scale, 1, 1),
            Self::Orders => OrderGenerator::calculate_row_count(scale, 1, 1),
            Self::LineItem => 4 * OrderGenerator::calculate_row_count(scale, 1, 1),
        };
        rows.unsigned_abs()
    }

    /// Its columns.
    pub(crate) fn schema(self) -> SchemaRef {
        self.part(1.0, 1, 1).schema()
    }

    /// Generates its rows, on several threads ahead of whoever sends them. The same scale gives the same rows in the same
    /// order.
    pub(crate) fn generate(self, scale: f64) -> impl Stream<Item = Result<RecordBatch, ArrowError>> + Send + 'static {
        let parts = self.parts(scale);
        let generated = (1..=parts).map(move |part| {
            let batches = move || self.part(scale, part, parts).collect::<Result<Vec<_>, _>>();
            // A thread that panicked has not generated all.
            tokio::task::spawn_blocking(batches).map(|ended| match ended {
                Ok(batches) => batches,
                Err(error) => Err(ArrowError::ExternalError(error.into())),
            })
        });
        let generated = stream::iter(generated).buffered(PARTS_AT_ONCE);
        generated.flat_map(|batches| match batches {
            Ok(batches) => stream::iter(batches).map(Ok).left_stream(),
            Err(error) => stream::iter([Err(error)]).right_stream(),
        })
    }

    /// Into how many parts it is cut. A part of lineitem has the items of as many orders.
    fn parts(self, scale: f64) -> i32 {
        let rows = match self {
            Self::LineItem => Self::Orders.rows(scale),
            // Too small to be cut by the generator.
            Self::Region | Self::Nation => 1,
            _ => self.rows(scale),
        };
        i32::try_from(rows.div_ceil(PART_ROWS).max(1)).unwrap_or(i32::MAX)
    }

    fn part(self, scale: f64, part: i32, parts: i32) -> Box<dyn RecordBatchReader + Send> {
        match self {
            Self::Region => {
                Box::new(RegionArrow::new(RegionGenerator::new(scale, part, parts)).with_batch_size(BATCH_ROWS))
            }
            Self::Nation => {
                Box::new(NationArrow::new(NationGenerator::new(scale, part, parts)).with_batch_size(BATCH_ROWS))
            }
            Self::Supplier => {
                Box::new(SupplierArrow::new(SupplierGenerator::new(scale, part, parts)).with_batch_size(BATCH_ROWS))
            }
            Self::Customer => {
                Box::new(CustomerArrow::new(CustomerGenerator::new(scale, part, parts)).with_batch_size(BATCH_ROWS))
            }
            Self::Part => Box::new(PartArrow::new(PartGenerator::new(scale, part, parts)).with_batch_size(BATCH_ROWS)),
            Self::PartSupp => {
                Box::new(PartSuppArrow::new(PartSuppGenerator::new(scale, part, parts)).with_batch_size(BATCH_ROWS))
            }
            Self::Orders => {
                Box::new(OrderArrow::new(OrderGenerator::new(scale, part, parts)).with_batch_size(BATCH_ROWS))
            }
            Self::LineItem => {
                Box::new(LineItemArrow::new(LineItemGenerator::new(scale, part, parts)).with_batch_size(BATCH_ROWS))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::compute::concat_batches;
    use futures::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn parts_give_the_rows_of_the_whole_in_their_order() {
        for table in TpchTable::ALL {
            let scale = 0.05;
            let whole: Vec<_> = table.part(scale, 1, 1).collect::<Result<_, _>>().unwrap();
            let parts: Vec<_> = table.generate(scale).try_collect().await.unwrap();
            let schema = table.schema();
            let same = concat_batches(&schema, &whole).unwrap() == concat_batches(&schema, &parts).unwrap();
            assert!(same, "{}", table.name());
        }
        assert!(TpchTable::LineItem.parts(0.05) > 1, "there is something to test");
    }
}
