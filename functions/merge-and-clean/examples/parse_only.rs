//! The limit that `make bench` holds the engine against: the bare JSON parse of the transactions by sonic-rs, and nothing else.
//!
//! parse_only FILE        prints {"records": …, "cpu_seconds": …}; Linux only
//!
//! The file is in memory before the clock starts. Each record becomes a typed struct that borrows its text from the file; nothing is checked,
//! trimmed, joined or written, and amounts pass through a float, which the engine may not do.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::hint::black_box;
use std::io::Write;

use serde::de::{Deserializer, Error as DeError, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Transaction<'a> {
    #[serde(borrow)]
    transaction_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    customer_id: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "number_or_text")]
    amount: Option<NumberOrText<'a>>,
    #[serde(borrow)]
    currency: Option<Cow<'a, str>>,
    #[serde(borrow)]
    product: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "number_or_text")]
    quantity: Option<NumberOrText<'a>>,
    #[serde(borrow)]
    payment_method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    transaction_ts: Option<Cow<'a, str>>,
}

enum NumberOrText<'a> {
    Number(f64),
    Text(Cow<'a, str>),
}

#[derive(Serialize)]
struct Report {
    records: u64,
    cpu_seconds: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: parse_only FILE")?;
    let bytes = std::fs::read(path)?;
    let before = cpu_seconds()?;
    let tally = parse(black_box(&bytes))?;
    let cpu_seconds = cpu_seconds()? - before;
    black_box(tally.touched);
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&Report { records: tally.records, cpu_seconds })?)?;
    Ok(())
}

/// What keeps the optimizer from leaving the parse out.
#[derive(Default)]
struct Tally {
    records: u64,
    touched: usize,
}

fn parse(bytes: &[u8]) -> Result<Tally, sonic_rs::Error> {
    let mut tally = Tally::default();
    if bytes.starts_with(b"[") {
        sonic_rs::Deserializer::from_slice(bytes).deserialize_seq(Array(&mut tally))?;
    } else {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            tally.add(&sonic_rs::from_slice(line)?);
        }
    }
    Ok(tally)
}

impl Tally {
    fn add(&mut self, record: &Transaction<'_>) {
        let texts = [
            &record.transaction_id,
            &record.customer_id,
            &record.currency,
            &record.product,
            &record.payment_method,
            &record.status,
            &record.transaction_ts,
        ];
        self.records += 1;
        self.touched += texts.into_iter().flatten().map(|text| text.len()).sum::<usize>();
        for value in [&record.amount, &record.quantity].into_iter().flatten() {
            self.touched += match value {
                NumberOrText::Number(number) => usize::from(*number > 1.0),
                NumberOrText::Text(text) => text.len(),
            };
        }
    }
}

/// Takes the records of an array one by one; none is kept.
struct Array<'t>(&'t mut Tally);

impl<'de> Visitor<'de> for Array<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of transactions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut records: A) -> Result<(), A::Error> {
        while let Some(record) = records.next_element::<Transaction<'de>>()? {
            self.0.add(&record);
        }
        Ok(())
    }
}

/// By hand, because serde's untagged enums first copy what they read.
fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NumberOrText<'de>>, D::Error> {
    struct Either;

    impl<'de> Visitor<'de> for Either {
        type Value = Option<NumberOrText<'de>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number, a text or null")
        }

        fn visit_f64<E: DeError>(self, number: f64) -> Result<Self::Value, E> {
            Ok(Some(NumberOrText::Number(number)))
        }

        fn visit_u64<E: DeError>(self, number: u64) -> Result<Self::Value, E> {
            Ok(Some(NumberOrText::Number(number as f64)))
        }

        fn visit_i64<E: DeError>(self, number: i64) -> Result<Self::Value, E> {
            Ok(Some(NumberOrText::Number(number as f64)))
        }

        fn visit_borrowed_str<E: DeError>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok(Some(NumberOrText::Text(Cow::Borrowed(text))))
        }

        fn visit_str<E: DeError>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(NumberOrText::Text(Cow::Owned(text.to_owned()))))
        }

        fn visit_unit<E: DeError>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }

    deserializer.deserialize_any(Either)
}

/// What the kernel says this thread, the only one, has run for: nanoseconds, the first number of the file.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    let nanoseconds: u64 = text.split_whitespace().next().ok_or("/proc/self/schedstat is empty")?.parse()?;
    Ok(nanoseconds as f64 / 1e9)
}
