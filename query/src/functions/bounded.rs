//! A function that is asked first how much it would produce, and how long it would take, for the rows at hand.
//!
//! `repeat('x', 2000000000)` or `range(10000000000)` takes its memory in one go and asks no pool for it; an allocation that
//! fails ends the process. What may grow a little or a lot, such as `replace`, is computed for a few rows at a time.

use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{ExprSchema, Result, ScalarValue};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ExpressionPlacement, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, StructFieldMapping, Volatility,
};

use super::budget::{Budget, FOLDED_BYTES_MAX};
use super::charge::charge;
use super::growth::Growth;
use super::sizes::PerRow;
use super::steps::{pattern_bytes, steps};
use crate::types::check_width;
use crate::{Error, Limits};

/// The functions as the planner gets them: bounded, but for those that cannot grow.
pub(crate) fn bounded(functions: Vec<Arc<ScalarUDF>>, limits: &Limits) -> Vec<Arc<ScalarUDF>> {
    let budget = Budget::of_planning(limits);
    let bound = |function: Arc<ScalarUDF>| match Bounded::new(&function, &budget) {
        Some(bounded) => Arc::new(ScalarUDF::new_from_impl(bounded)),
        None => function,
    };
    functions.into_iter().map(bound).collect()
}

#[derive(Debug)]
pub(super) struct Bounded {
    function: Arc<ScalarUDF>,
    growth: Growth,
    budget: Budget,
    signature: Signature,
}

impl Bounded {
    pub(super) fn new(function: &Arc<ScalarUDF>, budget: &Budget) -> Option<Self> {
        Some(Self {
            growth: Growth::of(function.name())?,
            signature: function.signature().clone(),
            function: function.clone(),
            budget: budget.clone(),
        })
    }

    /// The same function as a running statement calls it. One of constants alone is computed for each batch: it would
    /// have been folded, were it short.
    pub(super) fn running(&self, budget: &Budget, constant: bool) -> ScalarUDF {
        let mut signature = self.signature.clone();
        if constant {
            signature.volatility = Volatility::Volatile;
        }
        ScalarUDF::new_from_impl(Self {
            function: self.function.clone(),
            growth: self.growth,
            budget: budget.clone(),
            signature,
        })
    }

    fn call(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let needs = self.growth.needs(&args.args, args.number_rows)?;
        let bytes_max = u128::from(self.budget.bytes_max);
        let needs = match needs {
            PerRow::Rows(rows) if rows.iter().sum::<u128>() > bytes_max => rows,
            PerRow::Rows(_) => return self.function.inner().invoke_with_args(args),
            PerRow::Constant(bytes) => {
                self.budget.check_bytes(self.name(), bytes)?;
                return self.function.inner().invoke_with_args(args);
            }
        };
        let largest = needs.iter().copied().max().unwrap_or_default();
        if self.growth.is_exact() {
            self.budget.check_bytes(self.name(), needs.iter().sum())?;
        }
        self.budget.check_bytes(self.name(), largest)?;
        let mut parts: Vec<ArrayRef> = Vec::new();
        let mut produced = 0;
        for rows in slices(&needs, bytes_max) {
            let part = self.call_slice(&args, rows)?;
            produced += part.get_array_memory_size() as u128;
            self.budget.check_bytes(self.name(), produced)?;
            parts.push(part);
        }
        let parts: Vec<_> = parts.iter().map(|part| part.as_ref()).collect();
        Ok(ColumnarValue::Array(concat(&parts)?))
    }

    fn call_slice(&self, args: &ScalarFunctionArgs, rows: Range<usize>) -> Result<ArrayRef> {
        let slice = |value: &ColumnarValue| match value {
            ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(rows.start, rows.len())),
            scalar => scalar.clone(),
        };
        let part = ScalarFunctionArgs {
            args: args.args.iter().map(slice).collect(),
            number_rows: rows.len(),
            ..args.clone()
        };
        self.function.inner().invoke_with_args(part)?.into_array(rows.len())
    }
}

/// Ranges of rows that need no more than that each; a row that needs more stands alone.
fn slices(needs: &[u128], bytes_max: u128) -> Vec<Range<usize>> {
    let mut slices = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (row, bytes) in needs.iter().enumerate() {
        if row > start && sum + bytes > bytes_max {
            slices.push(start..row);
            (start, sum) = (row, 0);
        }
        sum += bytes;
    }
    slices.push(start..needs.len());
    slices
}

impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function && self.signature.volatility == other.signature.volatility
    }
}

impl Eq for Bounded {}

impl Hash for Bounded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.hash(state);
    }
}

impl ScalarUDFImpl for Bounded {
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.budget
            .check_steps(self.name(), steps(self.name(), &args.args, args.number_rows)?)?;
        self.budget
            .check_bytes(self.name(), pattern_bytes(self.name(), &args.args)?)?;
        let arrays = args.args.iter().filter_map(|argument| match argument {
            ColumnarValue::Array(array) => Some(array.clone()),
            ColumnarValue::Scalar(_) => None,
        });
        let arrays: Vec<_> = arrays.collect();
        let result = self.call(args)?;
        match (&self.budget.pool, result) {
            (None, result) if arrays.is_empty() => kept_short(self.name(), result),
            (Some(pool), ColumnarValue::Array(array)) => {
                Ok(ColumnarValue::Array(charge(array, &arrays, pool, self.name())?))
            }
            (_, result) => Ok(result),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = self.function.inner().return_field_from_args(args)?;
        check_width(field.data_type())?;
        Ok(field)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    // everything else is the function's own

    fn name(&self) -> &str {
        self.function.inner().name()
    }

    fn aliases(&self) -> &[String] {
        self.function.inner().aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.function.inner().schema_name(args)
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.function.inner().return_type(arg_types)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let function = Arc::new(self.function.inner().with_updated_config(config)?);
        Bounded::new(&function, &self.budget).map(ScalarUDF::new_from_impl)
    }

    #[expect(deprecated, reason = "DataFusion still asks")]
    fn is_nullable(&self, args: &[Expr], schema: &dyn ExprSchema) -> bool {
        self.function.inner().is_nullable(args, schema)
    }

    fn is_strict(&self) -> bool {
        self.function.inner().is_strict()
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.function.inner().simplify(args, info)
    }

    fn preimage(&self, args: &[Expr], literal: &Expr, info: &SimplifyContext) -> Result<PreimageResult> {
        self.function.inner().preimage(args, literal, info)
    }

    fn short_circuits(&self) -> bool {
        self.function.inner().short_circuits()
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.function.inner().conditional_arguments(args)
    }

    fn evaluate_bounds(&self, input: &[&Interval]) -> Result<Interval> {
        self.function.inner().evaluate_bounds(input)
    }

    fn propagate_constraints(&self, interval: &Interval, inputs: &[&Interval]) -> Result<Option<Vec<Interval>>> {
        self.function.inner().propagate_constraints(interval, inputs)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.function.inner().output_ordering(inputs)
    }

    fn preserves_lex_ordering(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.function.inner().preserves_lex_ordering(inputs)
    }

    fn strictly_order_preserving(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.function.inner().strictly_order_preserving(inputs)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.inner().coerce_types(arg_types)
    }

    fn struct_field_mapping(&self, literal_args: &[Option<ScalarValue>]) -> Option<StructFieldMapping> {
        self.function.inner().struct_field_mapping(literal_args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.inner().documentation()
    }

    fn placement(&self, args: &[ExpressionPlacement]) -> ExpressionPlacement {
        self.function.inner().placement(args)
    }
}

/// A constant that the planner may keep. It takes an error for leave to compute the constant later.
fn kept_short(name: &str, result: ColumnarValue) -> Result<ColumnarValue> {
    let bytes = match &result {
        ColumnarValue::Scalar(scalar) => scalar.size(),
        ColumnarValue::Array(array) => array.get_array_memory_size(),
    };
    if bytes as u64 <= FOLDED_BYTES_MAX {
        return Ok(result);
    }
    Err(Error::ResourceExhausted {
        what: "a constant of a plan",
        limit: format!("{FOLDED_BYTES_MAX} bytes"),
        message: format!("{name} gives {bytes}, computed later"),
    }
    .into())
}
