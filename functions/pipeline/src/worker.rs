//! A block to its clean rows, and rows to a row group. One worker a thread, keeping its buffers.

use parquet::errors::ParquetError;

use crate::blocks::{Block, End, Found, records};
use crate::clean::{Cleaner, Row};
use crate::contract::Unmatched;
use crate::customers::{Customers, NULL};
use crate::files::FileSchema;
use crate::group::{Group, GroupMaker};
use crate::interner::Full;
use crate::merge::Job;
use crate::pages::Encoder;
use crate::record::{Fields, Layout, Unparsable};
use crate::replay::Origins;
use crate::rows::{Joined, Rows};
use crate::rule::{Rule, Violation};
use crate::source::Malformed;
use crate::split::Format;

pub(crate) struct Worker<'w> {
    job: &'w Job<'w>,
    layout: &'w Layout,
    customers: &'w Customers,
    cleaner: Cleaner<'w>,
    groups: GroupMaker<'w>,
    encoder: Encoder,
}

/// A block and what was made of it.
pub(crate) struct Worked {
    pub(crate) block: Block,
    /// Its clean rows.
    pub(crate) rows: Rows,
    pub(crate) made: Result<Made, BlockFault>,
}

pub(crate) struct Made {
    pub(crate) end: End,
    pub(crate) read: u64,
    pub(crate) clean: u64,
    pub(crate) recognised: u64,
    pub(crate) unknown_fields: u64,
    pub(crate) rejections: Vec<Rejection>,
}

/// A record of the block that broke a rule, by its bytes.
pub(crate) struct Rejection {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) violation: Violation,
}

pub(crate) enum BlockFault {
    Malformed(Malformed),
    Parquet(ParquetError),
}

impl From<Malformed> for BlockFault {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<ParquetError> for BlockFault {
    fn from(error: ParquetError) -> Self {
        Self::Parquet(error)
    }
}

impl From<Full> for BlockFault {
    fn from(full: Full) -> Self {
        Self::Parquet(ParquetError::External(Box::new(full)))
    }
}

impl<'w> Worker<'w> {
    pub(crate) fn new(
        job: &'w Job<'w>,
        layout: &'w Layout,
        customers: &'w Customers,
        schema: &'w FileSchema,
    ) -> Result<Self, ParquetError> {
        let plan = job.plan;
        Ok(Self {
            job,
            layout,
            customers,
            cleaner: Cleaner::json(&plan.transactions, layout, plan.zone_offset_seconds),
            groups: GroupMaker::new(plan, customers, schema, job.transactions_uri, job.profile),
            encoder: Encoder::new(job.codec)?,
        })
    }

    /// The clean rows and the rejections of a block; `rows` is memory to use.
    pub(crate) fn work(&mut self, block: Block, mut rows: Rows) -> Worked {
        rows.clear();
        let made = self.clean(&block, &mut rows);
        Worked { block, rows, made }
    }

    /// The row group of these rows.
    pub(crate) fn encode(&mut self, rows: &Rows) -> Result<Group, ParquetError> {
        self.groups.make(rows, &mut self.encoder)
    }

    fn clean(&mut self, block: &Block, rows: &mut Rows) -> Result<Made, BlockFault> {
        let Self { job, layout, customers, cleaner, .. } = self;
        let mut made = Made { end: End::Complete, read: 0, clean: 0, recognised: 0, unknown_fields: 0, rejections: Vec::new() };
        let mut fields = Fields::default();
        let mut batch = Batch::new();
        made.end = records(block, job.format, job.tail, layout, &mut fields, |found| {
            made.read += 1;
            let row = batch.next_row();
            let cleaned = match &found.fields {
                Ok(fields) => {
                    made.recognised += u64::from(fields.is_recognised());
                    made.unknown_fields += fields.unknown;
                    cleaner.clean(fields, row)
                }
                Err(unparsable) => Err(violation(&found, unparsable, job.format)?),
            };
            let start = usize::try_from(found.offset - block.offset).unwrap_or(usize::MAX);
            let end = start + found.text.len();
            match cleaned {
                Ok(()) => batch.keep(start, end),
                Err(violation) => made.rejections.push(Rejection { start, end, violation }),
            }
            if batch.is_full() { batch.flush(job, customers, block, rows, &mut made) } else { Ok(()) }
        })?;
        batch.flush(job, customers, block, rows, &mut made)?;
        // Those whom the join rejects are known only after their batch.
        made.rejections.sort_by_key(|rejection| rejection.start);
        Ok(made)
    }
}

/// Rows joined at a time: see [`Customers::find_all`].
const BATCH: usize = 64;

/// Clean rows that wait for their customers.
struct Batch<'b> {
    rows: Vec<Row<'b>>,
    /// Of each row kept, its record's bytes in the block.
    kept: Vec<(usize, usize)>,
    found: Vec<u32>,
}

impl<'b> Batch<'b> {
    fn new() -> Self {
        Self { rows: std::iter::repeat_with(Row::default).take(BATCH).collect(), kept: Vec::with_capacity(BATCH), found: Vec::new() }
    }

    fn next_row(&mut self) -> &mut Row<'b> {
        &mut self.rows[self.kept.len()]
    }

    fn keep(&mut self, start: usize, end: usize) {
        self.kept.push((start, end));
    }

    fn is_full(&self) -> bool {
        self.kept.len() == BATCH
    }

    fn flush(&mut self, job: &Job<'_>, customers: &Customers, block: &Block, to: &mut Rows, made: &mut Made) -> Result<(), BlockFault> {
        let plan = job.plan;
        let rows = &self.rows[..self.kept.len()];
        let mut scratch = [[0; 16]; BATCH];
        let keys: Vec<Option<&[u8]>> = rows.iter().zip(&mut scratch).map(|(row, scratch)| row.key_bytes(plan.join.left, scratch)).collect();
        // A null key matches nothing, which no customer's key can be told by.
        let wanted: Vec<&[u8]> = keys.iter().flatten().copied().collect();
        customers.find_all(&wanted, &mut self.found);
        let mut found = self.found.iter().copied();
        let at = |start: usize| block.offset + start as u64;
        let mut origins = Origins::new(job.places, self.kept.first().map_or(block.offset, |(start, _)| at(*start)));
        let mut joined = Vec::with_capacity(rows.len());
        for ((row, (start, end)), key) in rows.iter().zip(&self.kept).zip(&keys) {
            let customer = if key.is_some() { found.next().unwrap_or(NULL) } else { NULL };
            if customer == NULL && plan.join.unmatched == Unmatched::Quarantine {
                let violation = Violation { rule: Rule::Unmatched, column: Some(plan.join.left), is_fatal: false };
                made.rejections.push(Rejection { start: *start, end: *end, violation });
                continue;
            }
            let offset = origins.of(at(*start));
            joined.push(Joined { row, offset: i64::try_from(offset).unwrap_or(i64::MAX), customer });
        }
        made.clean += joined.len() as u64;
        to.extend(&joined, job.masker)?;
        self.kept.clear();
        Ok(())
    }
}

/// One broken element leaves an array's other elements in doubt; a broken line says nothing about the next.
fn violation(found: &Found<'_, '_>, unparsable: &Unparsable, format: Format) -> Result<Violation, Malformed> {
    Ok(Violation::of_record(match unparsable {
        Unparsable::Encoding { .. } => Rule::Encoding,
        Unparsable::DuplicateField => Rule::DuplicateField,
        Unparsable::Depth => Rule::Depth,
        Unparsable::Syntax { byte, what } if format == Format::Array => {
            return Err(Malformed::new(found.offset + *byte as u64, format!("not JSON: {what}")));
        }
        Unparsable::Syntax { .. } => Rule::Malformed,
    }))
}
