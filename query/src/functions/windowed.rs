//! Aggregates as window functions: a value for each row, and each of them may be as large as all rows together.
//!
//! `string_agg(s, ',') OVER (ORDER BY s)` over 100,000 rows gives five billion parts, of which no pool hears.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, ReversedUDAF, SetMonotonicity, Signature,
};

use super::budget::Budget;

/// What a value may take without being counted: rows of that size pass through a window by the million.
const PLAIN_VALUE_BYTES: usize = 1 << 10;

/// An aggregate whose large values count towards the memory of statements until its own has ended.
#[derive(Debug)]
pub(super) struct Windowed {
    function: Arc<AggregateUDF>,
    budget: Budget,
    counted: Option<Arc<MemoryReservation>>,
}

impl Windowed {
    pub(super) fn new(function: &Arc<AggregateUDF>, budget: &Budget) -> Self {
        let consumer = || MemoryConsumer::new(format!("the results of {}", function.name()));
        Self {
            function: function.clone(),
            budget: budget.clone(),
            counted: budget.pool.as_ref().map(|pool| Arc::new(consumer().register(pool))),
        }
    }

    fn metered(&self, inner: Box<dyn Accumulator>) -> Box<dyn Accumulator> {
        Box::new(Metered {
            inner,
            name: self.function.name().to_owned(),
            budget: self.budget.clone(),
            counted: self.counted.clone(),
            rows: 0,
        })
    }
}

impl PartialEq for Windowed {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function
    }
}

impl Eq for Windowed {}

impl Hash for Windowed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.hash(state);
    }
}

impl AggregateUDFImpl for Windowed {
    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(self.metered(self.function.inner().accumulator(args)?))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(self.metered(self.function.inner().create_sliding_accumulator(args)?))
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        match self.function.inner().reverse_expr() {
            ReversedUDAF::Identical => ReversedUDAF::Identical,
            ReversedUDAF::NotSupported => ReversedUDAF::NotSupported,
            ReversedUDAF::Reversed(reversed) => {
                let reversed = AggregateUDF::new_from_impl(Windowed::new(&reversed, &self.budget));
                ReversedUDAF::Reversed(Arc::new(reversed))
            }
        }
    }

    // everything else that a window asks for is the function's own

    fn name(&self) -> &str {
        self.function.inner().name()
    }

    fn signature(&self) -> &Signature {
        self.function.inner().signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.function.inner().return_type(arg_types)
    }

    fn return_field(&self, arg_fields: &[FieldRef]) -> Result<FieldRef> {
        self.function.inner().return_field(arg_fields)
    }

    fn is_nullable(&self) -> bool {
        self.function.inner().is_nullable()
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.function.inner().state_fields(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.function.inner().order_sensitivity()
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.inner().coerce_types(arg_types)
    }

    fn is_descending(&self) -> Option<bool> {
        self.function.inner().is_descending()
    }

    fn default_value(&self, data_type: &DataType) -> Result<ScalarValue> {
        self.function.inner().default_value(data_type)
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.function.inner().supports_null_handling_clause()
    }

    fn supports_within_group_clause(&self) -> bool {
        self.function.inner().supports_within_group_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.inner().documentation()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.function.inner().set_monotonicity(data_type)
    }
}

#[derive(Debug)]
struct Metered {
    inner: Box<dyn Accumulator>,
    name: String,
    budget: Budget,
    counted: Option<Arc<MemoryReservation>>,
    /// Rows since the last value: where a window has one value for all its rows, it is repeated for each.
    rows: usize,
}

impl Accumulator for Metered {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.rows = self
            .rows
            .saturating_add(values.first().map_or(0, |values| values.len()));
        self.inner.update_batch(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let rows = std::mem::take(&mut self.rows).max(1);
        let value = self.inner.evaluate()?;
        let bytes = value.size();
        if bytes > PLAIN_VALUE_BYTES {
            let all = bytes.saturating_mul(rows);
            self.budget.check_bytes(&self.name, all as u128)?;
            if let Some(counted) = &self.counted {
                counted.try_grow(all)?;
            }
        }
        Ok(value)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.inner.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }
}
