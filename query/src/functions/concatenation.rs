//! `||` as a function, so that it is bounded as functions are.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column, Literal, binary};

/// Two texts, one after the other; null where one is.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Concatenation {
    signature: Signature,
}

impl Concatenation {
    pub(super) fn new() -> Self {
        Self {
            signature: Signature::any(2, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Concatenation {
    fn name(&self) -> &str {
        "||"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names: Vec<_> = args.iter().map(|part| part.schema_name().to_string()).collect();
        Ok(names.join(" || "))
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        BinaryTypeCoercer::new(&arg_types[0], &Operator::StringConcat, &arg_types[1]).get_result_type()
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [left, right] = args.arg_fields else {
            return internal_err!("|| takes two arguments");
        };
        let data_type = self.return_type(&[left.data_type().clone(), right.data_type().clone()])?;
        let nullable = left.is_nullable() || right.is_nullable();
        Ok(Arc::new(Field::new(self.name(), data_type, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut fields = Vec::new();
        let mut columns = Vec::new();
        let mut parts: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
        for argument in args.args {
            match argument {
                ColumnarValue::Scalar(scalar) => parts.push(Arc::new(Literal::new(scalar))),
                ColumnarValue::Array(array) => {
                    let name = columns.len().to_string();
                    parts.push(Arc::new(Column::new(&name, columns.len())));
                    fields.push(Field::new(name, array.data_type().clone(), true));
                    columns.push(array);
                }
            }
        }
        let schema = Arc::new(Schema::new(fields));
        let options = RecordBatchOptions::new().with_row_count(Some(args.number_rows));
        let batch = RecordBatch::try_new_with_options(schema.clone(), columns, &options)?;
        let joined = binary(parts[0].clone(), Operator::StringConcat, parts[1].clone(), &schema)?;
        joined.evaluate(&batch)
    }
}
