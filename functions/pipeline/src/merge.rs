//! One split from its bytes to its Parquet and its books: the stages in their order, on as many threads as there are.
//!
//! Blocks are read, cleaned side by side, and collected in their order until their rows are a row group; row groups are encoded beside
//! them and written in their order. What a block becomes depends on its bytes alone, where blocks are cut and which of them are a
//! group on the source's bytes alone: so the files are the same, byte for byte, whatever the number of threads.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use parquet::errors::ParquetError;

use crate::blocks::{BLOCK_BYTES, Block, BlockReader, End, ReadError, Tail};
use crate::contract::Plan;
use crate::csv::{CsvError, CsvRecord};
use crate::customers::{Customers, read_customers};
use crate::decimal::{Decimal, SumOverflow};
use crate::files::{File, FileSchema, clean_columns};
use crate::group::Group;
use crate::ledger::Ledger;
use crate::mask::Masker;
use crate::pages::Codec;
use crate::profile::{Gatherer, Profile, Samples};
use crate::quarantine::{QuarantineWriter, Rejected};
use crate::record::Layout;
use crate::replay::{Origins, Places};
use crate::rows::Rows;
use crate::rule::{Rule, Violation};
use crate::source::Malformed;
use crate::split::Format;
use crate::worker::{BlockFault, Worked, Worker};

/// Why a split cannot be merged; nothing of the run is loaded then.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error("{uri}: {malformed}: mend the source and run again")]
    Malformed { uri: String, malformed: Malformed },
    #[error("{uri}: `{column}` breaks the rule {rule} at byte {offset}, where the contract says onViolation fail: mend that record, or the contract", rule = rule.name())]
    Fatal { uri: String, offset: u64, rule: Rule, column: String },
    #[error("{uri}: {column}: {SumOverflow}")]
    SumOverflow { uri: String, column: String },
    #[error("reading {uri}: {source}")]
    Read { uri: String, source: io::Error },
    #[error("writing Parquet: {0}")]
    Parquet(#[from] ParquetError),
    #[error("a thread of the merge has stopped without a word")]
    Died,
}

/// What is merged, and how.
#[derive(Debug, Clone, Copy)]
pub struct Job<'j> {
    pub plan: &'j Plan,
    pub masker: &'j Masker,
    pub transactions_uri: &'j str,
    pub customers_uri: &'j str,
    pub format: Format,
    /// Of the first byte in the source, or in the object that holds records taken out of it.
    pub offset: u64,
    /// Where such records stand in the source: whatever leaves the merge names bytes of the source.
    pub places: Option<&'j Places>,
    pub tail: Tail,
    /// Whether the customers' quarantine goes into this split's, so that it is written once a run.
    pub is_first: bool,
    pub threads: usize,
    pub codec: Codec,
    pub block_bytes: usize,
    /// Source bytes whose clean rows are a row group.
    pub group_bytes: u64,
    /// Whether the rows' profile is wanted.
    pub profile: bool,
}

/// What waits for its row group is about a third of that, at most once a thread and twice besides: twice as many bytes took a little
/// less CPU, and 30 to 45 MiB more (measured 2026-11, two threads, 1,000,000 and 10,000,000 rows).
pub const GROUP_BYTES: u64 = 16 * 1024 * 1024;

impl<'j> Job<'j> {
    /// A split, or the whole of an NDJSON source, on one thread.
    pub fn new(plan: &'j Plan, masker: &'j Masker, format: Format, offset: u64) -> Self {
        Self {
            plan,
            masker,
            transactions_uri: "",
            customers_uri: "",
            format,
            offset,
            places: None,
            tail: Tail::Nothing,
            is_first: offset == 0,
            threads: 1,
            codec: Codec::Snappy,
            block_bytes: BLOCK_BYTES,
            group_bytes: GROUP_BYTES,
            profile: true,
        }
    }

    fn about(&self) -> [(&'static str, &'j str); 2] {
        [("crosstally.contract.version", &self.plan.version), ("crosstally.contract.sha256", &self.plan.sha256)]
    }
}

/// Where the Parquet bytes go.
pub struct Sinks<C, Q> {
    pub clean: C,
    pub quarantine: Q,
}

/// What a split was made.
pub struct Merged<C, Q> {
    /// Full.
    pub sinks: Sinks<C, Q>,
    pub ledger: Ledger,
    /// Without the time it took; `None` where it is not wanted.
    pub profile: Option<Profile>,
}

/// Merges the customers with one split of the transactions.
pub fn merge<C, Q>(job: &Job<'_>, customers: impl Read, transactions: impl Read, sinks: Sinks<C, Q>) -> Result<Merged<C, Q>, MergeError>
where
    C: Write + Send,
    Q: Write + Send,
{
    let mut quarantine = QuarantineWriter::new(sinks.quarantine, job.codec, &job.about())?;
    let mut samples = job.profile.then(|| Samples::new(job.plan));
    let customers = customers_of(job, customers, &mut quarantine, samples.as_mut())?;
    let schema = FileSchema::new(&clean_columns(job.plan))?;
    let mut books = Books {
        job,
        clean: File::new(sinks.clean, &schema, &job.about())?,
        quarantine,
        ledger: Ledger { customers: customers.counts().clone(), customers_superseded: customers.superseded(), ..Ledger::default() },
        sums: job.plan.target.columns.iter().map(|c| c.kind.sum_scale().map(Decimal::zero)).collect(),
        carry: None,
        gathered: Rows::new(job.plan, &customers),
        gathered_bytes: 0,
        gatherer: samples.map(|samples| Gatherer::new(job.plan, &customers, samples)),
    };
    let layout = Layout::new(&job.plan.transactions);
    let blocks = BlockReader::new(transactions, job.format, job.offset, job.block_bytes);
    let worker = || Worker::new(job, &layout, &customers, &schema);
    let rows = || Rows::new(job.plan, &customers);
    if job.threads <= 1 {
        in_turn(blocks, worker()?, rows, &mut books)?;
    } else {
        side_by_side(blocks, worker, rows, &mut books)?;
    }
    books.finish(&customers)
}

fn customers_of<'j, Q: Write + Send>(
    job: &Job<'j>,
    csv: impl Read,
    quarantine: &mut QuarantineWriter<Q>,
    mut samples: Option<&mut Samples<'j>>,
) -> Result<Customers, MergeError> {
    let source = &job.plan.customers;
    let uri = job.customers_uri;
    let read = read_customers(csv, job.plan, job.masker, |record, violation| {
        let CsvRecord { offset, text, header, .. } = *record;
        let column = violation.column.map(|c| source.columns[c].name.as_str());
        if violation.is_fatal {
            return Err(CustomersFault::Merge(fatal(uri, offset, violation, column)));
        }
        if job.is_first {
            let rejected =
                Rejected { source: &source.name, source_uri: uri, offset: signed(offset), rule: violation.rule, column, record: text };
            quarantine.push(&rejected).map_err(|e| CustomersFault::Merge(e.into()))?;
            if let Some(samples) = &mut samples {
                samples.customer(violation.rule, violation.column, offset, text, header);
            }
        }
        Ok(())
    });
    read.map_err(|fault| match fault {
        CustomersFault::Merge(error) => error,
        CustomersFault::Csv(CsvError::Malformed(malformed)) => MergeError::Malformed { uri: uri.to_owned(), malformed },
        CustomersFault::Csv(CsvError::Io(source)) => MergeError::Read { uri: uri.to_owned(), source },
    })
}

enum CustomersFault {
    Csv(CsvError),
    Merge(MergeError),
}

impl From<CsvError> for CustomersFault {
    fn from(error: CsvError) -> Self {
        Self::Csv(error)
    }
}

fn fatal(uri: &str, offset: u64, violation: Violation, column: Option<&str>) -> MergeError {
    MergeError::Fatal { uri: uri.to_owned(), offset, rule: violation.rule, column: column.unwrap_or_default().to_owned() }
}

fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

/// A block's memory, for another.
#[derive(Debug)]
struct Spare {
    bytes: Vec<u8>,
    rows: Rows,
}

/// One block after the other.
fn in_turn<R: Read, C: Write + Send, Q: Write + Send>(
    mut blocks: BlockReader<R>,
    mut worker: Worker<'_>,
    rows: impl Fn() -> Rows,
    books: &mut Books<'_, C, Q>,
) -> Result<(), MergeError> {
    let mut spare = Spare { bytes: Vec::new(), rows: rows() };
    let mut group = rows();
    loop {
        let block = blocks.read(spare.bytes).map_err(|e| books.read_error(e))?;
        let is_over = block.is_none();
        if books.take_group(&mut group, is_over) {
            books.write(worker.encode(&group)?)?;
        }
        let Some(block) = block else { return Ok(()) };
        spare = books.enter(worker.work(block, spare.rows), &mut worker)?;
    }
}

/// What a worker can be asked for, with the place where its answer is awaited.
enum Task {
    Clean(Block, Rows, SyncSender<Worked>),
    Encode(Rows, SyncSender<(Rows, Result<Group, ParquetError>)>),
}

/// As many workers as threads; this one reads, and enters what they made in the order of the blocks.
fn side_by_side<'w, R: Read, C: Write + Send, Q: Write + Send>(
    mut blocks: BlockReader<R>,
    worker: impl Fn() -> Result<Worker<'w>, ParquetError> + Sync,
    rows: impl Fn() -> Rows,
    books: &mut Books<'_, C, Q>,
) -> Result<(), MergeError> {
    let threads = books.job.threads;
    let mut own = worker()?;
    let (tasks, queue) = sync_channel::<Task>(threads);
    let queue = Arc::new(Mutex::new(queue));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let mut worker = worker()?;
            let queue = Arc::clone(&queue);
            scope.spawn(move || {
                loop {
                    // A statement of its own: in the head of a `while let` the lock would be held until the work is done.
                    let task = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let is_awaited = match task {
                        Ok(Task::Clean(block, rows, done)) => done.send(worker.work(block, rows)).is_ok(),
                        Ok(Task::Encode(rows, done)) => {
                            let group = worker.encode(&rows);
                            done.send((rows, group)).is_ok()
                        }
                        Err(_) => break,
                    };
                    // Nobody waits any more: something else has failed.
                    if !is_awaited {
                        break;
                    }
                }
            });
        }
        // The workers' alone: when all of them have died, what they were asked for goes with it, and nobody waits for that.
        drop(queue);
        let (mut cleaning, mut encoding) = (VecDeque::new(), VecDeque::new());
        let (mut spares, mut spare_groups) = (Vec::<Spare>::new(), Vec::new());
        let mut group = rows();
        loop {
            let spare = spares.pop().unwrap_or_else(|| Spare { bytes: Vec::new(), rows: rows() });
            let block = blocks.read(spare.bytes).map_err(|e| books.read_error(e))?;
            let is_over = block.is_none();
            if let Some(block) = block {
                let (done, result) = sync_channel(1);
                tasks.send(Task::Clean(block, spare.rows, done)).map_err(|_| MergeError::Died)?;
                cleaning.push_back(result);
            }
            while cleaning.len() > if is_over { 0 } else { 2 * threads } {
                let Some(result) = cleaning.pop_front() else { break };
                spares.push(books.enter(result.recv().map_err(|_| MergeError::Died)?, &mut own)?);
                if books.take_group(&mut group, is_over && cleaning.is_empty()) {
                    let full = std::mem::replace(&mut group, spare_groups.pop().unwrap_or_else(&rows));
                    let (done, result) = sync_channel(1);
                    tasks.send(Task::Encode(full, done)).map_err(|_| MergeError::Died)?;
                    encoding.push_back(result);
                }
                // One less than there are workers, so that one of them always cleans.
                while encoding.len() >= threads {
                    write_next(&mut encoding, &mut spare_groups, books)?;
                }
            }
            if is_over {
                break;
            }
        }
        while !encoding.is_empty() {
            write_next(&mut encoding, &mut spare_groups, books)?;
        }
        drop(tasks);
        Ok(())
    })
}

type Encoding = VecDeque<Receiver<(Rows, Result<Group, ParquetError>)>>;

/// Writes the row group that is next in order, and keeps its memory.
fn write_next<C: Write + Send, Q: Write + Send>(
    encoding: &mut Encoding,
    spares: &mut Vec<Rows>,
    books: &mut Books<'_, C, Q>,
) -> Result<(), MergeError> {
    let Some(result) = encoding.pop_front() else { return Ok(()) };
    let (rows, group) = result.recv().map_err(|_| MergeError::Died)?;
    spares.push(rows);
    books.write(group?)
}

/// What the blocks add up to, entered in their order.
struct Books<'j, C: Write + Send, Q: Write + Send> {
    job: &'j Job<'j>,
    clean: File<C>,
    quarantine: QuarantineWriter<Q>,
    ledger: Ledger,
    /// By target column that is summed.
    sums: Vec<Option<Decimal>>,
    /// A record that the last block left open, and its offset.
    carry: Option<Carry>,
    /// The rows of the row group that is not full yet, and how many bytes they were.
    gathered: Rows,
    gathered_bytes: u64,
    gatherer: Option<Gatherer<'j>>,
}

struct Carry {
    bytes: Vec<u8>,
    offset: u64,
    is_first: bool,
}

impl<C: Write + Send, Q: Write + Send> Books<'_, C, Q> {
    /// Enters a block and gives its memory back. If the one before left a record open, the block began inside a record: it is worked
    /// on anew behind what was left.
    fn enter(&mut self, worked: Worked, worker: &mut Worker<'_>) -> Result<Spare, MergeError> {
        if let Some(gatherer) = &mut self.gatherer {
            gatherer.raw_bytes += worked.block.bytes.len() as u64;
        }
        let worked = match self.carry.take() {
            None => worked,
            Some(carry) => {
                let Block { bytes, is_last, .. } = worked.block;
                let joined = [carry.bytes, bytes].concat();
                worker.work(Block { bytes: joined, offset: carry.offset, is_first: carry.is_first, is_last }, worked.rows)
            }
        };
        let Worked { block, rows, made } = worked;
        let made = made.map_err(|fault| self.fault(fault))?;
        if let End::Open(start) = made.end {
            let offset = block.offset + start as u64;
            if block.is_last {
                let malformed = Malformed::new(record_start(&block, start), "the source ends inside the record that begins here");
                return Err(self.malformed(malformed));
            }
            let is_first = block.is_first && made.read == 0;
            self.carry = Some(Carry { bytes: block.bytes[start..].to_vec(), offset, is_first });
        }
        let counts = &mut self.ledger.transactions;
        counts.read += made.read;
        counts.clean += made.clean;
        counts.recognised += made.recognised;
        counts.unknown_fields += made.unknown_fields;
        let source = &self.job.plan.transactions;
        let mut origins = Origins::new(self.job.places, block.offset);
        for rejection in &made.rejections {
            let column = rejection.violation.column.map(|c| source.columns[c].name.as_str());
            let offset = origins.of(block.offset + rejection.start as u64);
            if rejection.violation.is_fatal {
                return Err(fatal(self.job.transactions_uri, offset, rejection.violation, column));
            }
            let rule = rejection.violation.rule;
            counts.quarantine(rule, column);
            let record = &block.bytes[rejection.start..rejection.end];
            let uri = self.job.transactions_uri;
            if let Some(gatherer) = &mut self.gatherer {
                gatherer.samples.transaction(rule, rejection.violation.column, offset, record);
            }
            self.quarantine.push(&Rejected { source: &source.name, source_uri: uri, offset: signed(offset), rule, column, record })?;
        }
        self.gathered.append(&rows).map_err(|full| ParquetError::External(Box::new(full)))?;
        self.gathered_bytes += block.bytes.len() as u64;
        Ok(Spare { bytes: block.bytes, rows })
    }

    /// Swaps the gathered rows for `empty` if they are a row group, or if no more follow.
    fn take_group(&mut self, empty: &mut Rows, is_over: bool) -> bool {
        let is_full = self.gathered_bytes >= self.job.group_bytes;
        if self.gathered.is_empty() || !(is_full || is_over) {
            return false;
        }
        empty.clear();
        std::mem::swap(&mut self.gathered, empty);
        self.gathered_bytes = 0;
        true
    }

    /// Writes a row group and enters what it adds up to.
    fn write(&mut self, group: Group) -> Result<(), MergeError> {
        self.ledger.matched += group.matched;
        for ((sum, made), column) in self.sums.iter_mut().zip(&group.sums).zip(&self.job.plan.target.columns) {
            let Some(sum) = sum else { continue };
            let added = made.ok_or(SumOverflow).and_then(|made| sum.add_unscaled(made));
            let uri = self.job.transactions_uri;
            added.map_err(|SumOverflow| MergeError::SumOverflow { uri: uri.to_owned(), column: column.name.clone() })?;
        }
        if let (Some(gatherer), Some(figures)) = (&mut self.gatherer, group.figures) {
            gatherer.enter(figures);
        }
        self.clean.append(group.chunks)?;
        Ok(())
    }

    fn finish(self, customers: &Customers) -> Result<Merged<C, Q>, MergeError> {
        let sums = self.job.plan.target.columns.iter().zip(self.sums).filter_map(|(c, sum)| Some((c.name.clone(), sum?)));
        let ledger = Ledger { sums: sums.collect::<BTreeMap<_, _>>(), ..self.ledger };
        let profile = self.gatherer.map(|gatherer| gatherer.finish(customers, &ledger));
        Ok(Merged { sinks: Sinks { clean: self.clean.finish()?, quarantine: self.quarantine.finish()? }, ledger, profile })
    }

    fn fault(&self, fault: BlockFault) -> MergeError {
        match fault {
            BlockFault::Malformed(malformed) => self.malformed(malformed),
            BlockFault::Parquet(error) => error.into(),
        }
    }

    fn malformed(&self, malformed: Malformed) -> MergeError {
        let byte = Origins::new(self.job.places, malformed.byte).of(malformed.byte);
        MergeError::Malformed { uri: self.job.transactions_uri.to_owned(), malformed: Malformed { byte, ..malformed } }
    }

    fn read_error(&self, error: ReadError) -> MergeError {
        match error {
            ReadError::Malformed(malformed) => self.malformed(malformed),
            ReadError::Io(source) => MergeError::Read { uri: self.job.transactions_uri.to_owned(), source },
        }
    }
}

/// An open record's own offset, behind the comma that was left with it.
fn record_start(block: &Block, open: usize) -> u64 {
    let rest = &block.bytes[open..];
    let lead = rest.iter().take_while(|b| matches!(b, b',' | b' ' | b'\t' | b'\r' | b'\n')).count();
    block.offset + (open + lead) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    /// Whatever its workers die of, a merge ends: a run that waits for ever says nothing.
    #[test]
    fn a_merge_ends_when_its_workers_die() {
        let (ended, is_over) = channel();
        std::thread::spawn(move || {
            let plan = Plan::compile(include_bytes!("../../../contract.odcs.yaml")).unwrap();
            let masker = Masker::default();
            let job = Job { threads: 2, block_bytes: 4, group_bytes: 1, ..Job::new(&plan, &masker, Format::Ndjson, 0) };
            let customers = read_customers::<CsvError>(b"customer_id\nC1\n".as_slice(), &plan, &masker, |_, _| Ok(())).unwrap();
            let schema = FileSchema::new(&clean_columns(&plan)).unwrap();
            // A layout of another source has no place for this one's columns.
            let layout = Layout::of_fields(&[]);
            let merged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let mut books = Books {
                    job: &job,
                    clean: File::new(Vec::new(), &schema, &[]).unwrap(),
                    quarantine: QuarantineWriter::new(Vec::new(), job.codec, &[]).unwrap(),
                    ledger: Ledger::default(),
                    sums: Vec::new(),
                    carry: None,
                    gathered: Rows::new(&plan, &customers),
                    gathered_bytes: 0,
                    gatherer: None,
                };
                let blocks = BlockReader::new("{}\n".repeat(100).leak().as_bytes(), job.format, 0, job.block_bytes);
                let worker = || Worker::new(&job, &layout, &customers, &schema);
                side_by_side(blocks, worker, || Rows::new(&plan, &customers), &mut books)
            }));
            ended.send(merged.is_err()).unwrap();
        });
        assert_eq!(is_over.recv_timeout(Duration::from_secs(60)), Ok(true));
    }
}
