//! Our values in PostgreSQL's binary format. The server infers each parameter's type from the statement, and a value
//! fits itself to it, so that `Int` serves BIGINT, INTEGER and NUMERIC alike.

use std::borrow::Cow;
use std::error::Error as StdError;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::Value;

/// A parameter on its way out.
#[derive(Debug)]
pub(crate) struct Bound<'a>(pub(crate) &'a Value<'a>);

/// A value that does not fit the parameter's type: a defect of the statement.
#[derive(Debug, thiserror::Error)]
#[error("{value} does not fit a parameter of type {wanted}")]
pub(crate) struct Misfit {
    value: String,
    wanted: String,
}

impl ToSql for Bound<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let misfit = || Misfit { value: format!("{:?}", self.0), wanted: ty.name().to_owned() };
        match self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::Int(value) => put_int(*value, ty, out).ok_or_else(misfit)?,
            Value::Bool(value) if *ty == Type::BOOL => out.extend_from_slice(&[u8::from(*value)]),
            Value::Bool(value) => put_int(i64::from(*value), ty, out).ok_or_else(misfit)?,
            Value::Real(value) => put_real(*value, ty, out).ok_or_else(misfit)?,
            Value::Text(text) if is_text(ty) => out.extend_from_slice(text.as_bytes()),
            Value::Bytes(bytes) if *ty == Type::BYTEA => out.extend_from_slice(bytes),
            Value::Text(_) | Value::Bytes(_) => return Err(misfit().into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn is_text(ty: &Type) -> bool {
    [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN].contains(ty)
}

fn put_int(value: i64, ty: &Type, out: &mut BytesMut) -> Option<()> {
    match *ty {
        Type::INT8 => out.extend_from_slice(&value.to_be_bytes()),
        Type::INT4 => out.extend_from_slice(&i32::try_from(value).ok()?.to_be_bytes()),
        Type::INT2 => out.extend_from_slice(&i16::try_from(value).ok()?.to_be_bytes()),
        Type::OID => out.extend_from_slice(&u32::try_from(value).ok()?.to_be_bytes()),
        Type::NUMERIC => put_numeric(value, out),
        #[expect(clippy::cast_precision_loss, reason = "the statement compares with a float, so it rounds anyway")]
        Type::FLOAT8 | Type::FLOAT4 => put_real(value as f64, ty, out)?,
        ref text if is_text(text) => out.extend_from_slice(value.to_string().as_bytes()),
        _ => return None,
    }
    Some(())
}

fn put_real(value: f64, ty: &Type, out: &mut BytesMut) -> Option<()> {
    match *ty {
        Type::FLOAT8 => out.extend_from_slice(&value.to_be_bytes()),
        #[expect(clippy::cast_possible_truncation, reason = "the column holds no more")]
        Type::FLOAT4 => out.extend_from_slice(&(value as f32).to_be_bytes()),
        _ => return None,
    }
    Some(())
}

/// NUMERIC in binary: how many digits, the weight of the first, sign, scale, then digits to the base of 10,000.
fn put_numeric(value: i64, out: &mut BytesMut) {
    let mut rest = value.unsigned_abs();
    let mut digits = Vec::new();
    while rest > 0 {
        digits.push(u16::try_from(rest % 10_000).unwrap_or(0));
        rest /= 10_000;
    }
    let count = u16::try_from(digits.len()).unwrap_or(0);
    let sign: u16 = if value < 0 { 0x4000 } else { 0 };
    for word in [count, count.saturating_sub(1), sign, 0] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    for digit in digits.iter().rev() {
        out.extend_from_slice(&digit.to_be_bytes());
    }
}

/// A column on its way in.
pub(crate) struct PostgresValue<'a>(pub(crate) Value<'a>);

impl<'a> FromSql<'a> for PostgresValue<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(match *ty {
            Type::INT8 => Value::Int(i64::from_be_bytes(raw.try_into()?)),
            Type::INT4 => Value::Int(i32::from_be_bytes(raw.try_into()?).into()),
            Type::INT2 => Value::Int(i16::from_be_bytes(raw.try_into()?).into()),
            Type::OID => Value::Int(u32::from_be_bytes(raw.try_into()?).into()),
            Type::BOOL => Value::Bool(raw == [1]),
            Type::FLOAT8 => Value::Real(f64::from_be_bytes(raw.try_into()?)),
            Type::FLOAT4 => Value::Real(f32::from_be_bytes(raw.try_into()?).into()),
            Type::BYTEA => Value::Bytes(Cow::Borrowed(raw)),
            Type::NUMERIC => take_numeric(raw).ok_or("not a NUMERIC")?,
            ref text if is_text(text) => Value::Text(Cow::Borrowed(std::str::from_utf8(raw)?)),
            _ => {
                return Err(format!("columns of type {} are not read here; cast it in the statement", ty.name()).into());
            }
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// NUMERIC is what `SUM(bigint)` gives: a whole number becomes an `Int` as on SQLite, another a `Real`.
fn take_numeric(raw: &[u8]) -> Option<Value<'static>> {
    let mut words = raw.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let count = words.next()?;
    let weight = i32::from(words.next()?.cast_signed());
    let sign = words.next()?;
    words.next()?;
    if sign & 0x8000 != 0 {
        return Some(Value::Real(match sign {
            0xd000 => f64::INFINITY,
            0xf000 => f64::NEG_INFINITY,
            _ => f64::NAN,
        }));
    }
    let negative = sign == 0x4000;
    let digits: Vec<u16> = words.take(count.into()).collect();
    let whole = i32::from(count) <= weight + 1;
    let exact = (0..=weight.max(-1)).try_fold(0_i128, |sum, place| {
        let digit = usize::try_from(place).ok().and_then(|place| digits.get(place)).copied().unwrap_or(0);
        sum.checked_mul(10_000)?.checked_add(digit.into())
    });
    if let Some(exact) = exact.filter(|_| whole)
        && let Ok(value) = i64::try_from(if negative { -exact } else { exact })
    {
        return Some(Value::Int(value));
    }
    let value = (weight - i32::from(count) + 1..=weight)
        .rev()
        .zip(&digits)
        .map(|(place, digit)| f64::from(*digit) * 10_000_f64.powi(place))
        .sum::<f64>();
    Some(Value::Real(if negative { -value } else { value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numerics_survive_the_way_there_and_back() {
        for value in [0, 1, -1, 9_999, 10_000, 1_792_717_927_214_000, i64::MAX, i64::MIN] {
            let mut out = BytesMut::new();
            put_numeric(value, &mut out);
            assert_eq!(take_numeric(&out), Some(Value::Int(value)), "{value}");
        }
    }

    #[test]
    fn a_broken_numeric_is_a_real_and_a_cut_one_nothing() {
        // 1.5: two digits (1, 5000), weight 0, scale 1.
        let raw: Vec<u8> = [2_u16, 0, 0, 1, 1, 5000].iter().flat_map(|word| word.to_be_bytes()).collect();
        assert_eq!(take_numeric(&raw), Some(Value::Real(1.5)));
        assert_eq!(take_numeric(&raw[..5]), None);
    }

    #[test]
    fn a_misfit_names_types_and_no_values() {
        let text = Value::from("+447700900117");
        let error = Bound(&text).to_sql(&Type::INT8, &mut BytesMut::new()).err().unwrap();
        assert_eq!(error.to_string(), "Text(13 bytes) does not fit a parameter of type int8");
    }
}
