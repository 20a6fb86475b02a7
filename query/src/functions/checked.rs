//! Values that no function makes: constants that are repeated for each row, and the results of operators.

use std::hash::{Hash, Hasher};

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::budget::Budget;
use super::charge::charge;
use super::sizes::bytes;
use super::steps::{automata_bytes, searching};

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Check {
    /// A constant, about to be repeated for each row.
    Repeated,
    /// What an operator has computed.
    Computed,
    /// Text, the first argument, about to be searched for a pattern, the second.
    Searched,
}

/// Gives its first argument back as it is, or fails. In names of columns it does not appear.
#[derive(Debug)]
pub(super) struct Checked {
    check: Check,
    /// How the statement calls the value.
    label: String,
    budget: Budget,
    signature: Signature,
}

const LABEL_CHARS_MAX: usize = 60;

impl Checked {
    pub(super) fn new(check: Check, of: &Expr, budget: &Budget) -> Self {
        let label = match of {
            Expr::Literal(..) => "a constant".to_owned(),
            // the text of a deep expression can be long
            Expr::ScalarFunction(function) => match function.func.inner().downcast_ref::<Checked>() {
                Some(checked) => checked.label.clone(),
                None => function.name().to_owned(),
            },
            Expr::HigherOrderFunction(function) => function.func.name().to_owned(),
            Expr::ScalarSubquery(_) => "a subquery".to_owned(),
            Expr::Case(_) => "CASE".to_owned(),
            Expr::Cast(_) | Expr::TryCast(_) => "CAST".to_owned(),
            _ => "an expression".to_owned(),
        };
        // what is repeated is a constant: the planner would compute it once more
        let (arguments, volatility) = match check {
            Check::Repeated => (1, Volatility::Volatile),
            Check::Computed => (1, Volatility::Immutable),
            Check::Searched => (2, Volatility::Immutable),
        };
        Self {
            check,
            label: label.chars().take(LABEL_CHARS_MAX).collect(),
            budget: budget.clone(),
            signature: Signature::any(arguments, volatility),
        }
    }
}

impl PartialEq for Checked {
    fn eq(&self, other: &Self) -> bool {
        self.check == other.check && self.label == other.label
    }
}

impl Eq for Checked {}

impl Hash for Checked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.check.hash(state);
        self.label.hash(state);
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        "bounded"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(args.first().map(|of| of.schema_name().to_string()).unwrap_or_default())
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(arg_types.first().cloned().unwrap_or(DataType::Null))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(args.arg_fields[0].clone())
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.check == Check::Searched {
            let [text, pattern] = &args.args[..] else {
                return Ok(args.args.swap_remove(0));
            };
            let steps = searching(text, pattern, args.number_rows)?;
            self.budget.check_steps("the search for a pattern", steps)?;
            self.budget
                .check_bytes("the search for patterns", automata_bytes(pattern)?)?;
        }
        let value = args.args.swap_remove(0);
        match (value, self.check) {
            (scalar @ ColumnarValue::Scalar(_), Check::Repeated) => {
                let all = u128::from(bytes(&scalar)?.at(0)) * args.number_rows as u128;
                self.budget.check_bytes(&self.label, all)?;
                let Some(pool) = &self.budget.pool else {
                    return Ok(scalar);
                };
                if all < u128::from(CHARGED_CONSTANTS_FROM_BYTES) {
                    return Ok(scalar);
                }
                let array = scalar.into_array(args.number_rows)?;
                Ok(ColumnarValue::Array(charge(array, &[], pool, &self.label)?))
            }
            (ColumnarValue::Array(array), Check::Computed | Check::Repeated) => {
                let Some(pool) = &self.budget.pool else {
                    return Ok(ColumnarValue::Array(array));
                };
                Ok(ColumnarValue::Array(charge(array, &[], pool, &self.label)?))
            }
            (value, _) => Ok(value),
        }
    }
}

/// Constants below this, repeated for a batch, are left to the operator that repeats them.
const CHARGED_CONSTANTS_FROM_BYTES: u64 = 1 << 20;
