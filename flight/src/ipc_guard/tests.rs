use std::{process::Command, sync::Arc};

use arrow::{
    array::*,
    buffer::OffsetBuffer,
    datatypes::*,
    ipc::{
        CompressionType,
        writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions},
    },
};
use arrow_flight::{FlightData, SchemaAsIpc, decode::FlightDataDecoder};
use futures::StreamExt;

use super::*;
use crate::{upload::Upload, wire::tests::zoo};

fn schema_message(schema: &Schema) -> FlightData {
    SchemaAsIpc::new(schema, &IpcWriteOptions::default()).into()
}

/// The messages that clients send. The encoder of arrow-flight 59 is not asked: it announces a `LargeList` as a `List`, and
/// its offsets are then read at half their width.
fn encoded(batches: Vec<RecordBatch>) -> Vec<FlightData> {
    let (generator, options) = (IpcDataGenerator::default(), IpcWriteOptions::default());
    let mut tracker = DictionaryTracker::new(false);
    let mut context = IpcWriteContext::default();
    let schema = generator.schema_to_bytes_with_dictionary_tracker(&batches[0].schema(), &mut tracker, &options);
    let mut messages = vec![FlightData::from(schema)];
    for batch in batches {
        let (dictionaries, rows) = generator.encode(&batch, &mut tracker, &options, &mut context).unwrap();
        messages.extend(dictionaries.into_iter().map(FlightData::from));
        messages.push(rows.into());
    }
    messages
}

/// What the service makes of messages: the rows of all batches, or the refusal.
async fn uploaded(mut messages: Vec<FlightData>) -> std::result::Result<usize, tonic::Status> {
    messages[0].flight_descriptor = Some(Default::default());
    let place = Arc::new(tokio::sync::Semaphore::new(1)).acquire_owned().await.unwrap();
    let (_, mut upload) = Upload::begin(
        place,
        &crate::Limits::default(),
        futures::stream::iter(messages.into_iter().map(Ok)),
    )
    .await?;
    upload.schema().await?;
    let mut rows = 0;
    while let Some(batch) = upload.batch().await? {
        rows += batch.num_rows();
    }
    Ok(rows)
}

fn uploadable_zoo() -> RecordBatch {
    let (batch, _) = zoo();
    let kept: Vec<usize> = (0..batch.num_columns())
        .filter(|i| {
            !matches!(
                batch.column(*i).data_type(),
                DataType::ListView(_) | DataType::RunEndEncoded(..)
            )
        })
        .collect();
    batch.project(&kept).unwrap()
}

#[tokio::test]
async fn whatever_clients_upload_passes() {
    let batch = uploadable_zoo();
    let sent = vec![batch.clone(), batch.slice(1, 2), batch.slice(0, 0), batch];
    assert_eq!(uploaded(encoded(sent)).await.unwrap(), 8);
    let empty = RecordBatch::try_new_with_options(
        Arc::new(Schema::empty()),
        vec![],
        &RecordBatchOptions::new().with_row_count(Some(0)),
    );
    assert_eq!(uploaded(vec![schema_message(&Schema::empty())]).await.unwrap(), 0);
    let mut messages = vec![schema_message(&Schema::empty())];
    messages.extend(encoded(vec![empty.unwrap()]).into_iter().skip(1));
    assert_eq!(uploaded(messages).await.unwrap(), 0);
}

/// A record batch message with an LZ4 buffer that claims to expand to 64 TiB.
fn decompression_bomb() -> Vec<FlightData> {
    let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![7; 4096])) as ArrayRef)]).unwrap();
    let options = IpcWriteOptions::default()
        .try_with_compression(Some(CompressionType::LZ4_FRAME))
        .unwrap();
    let mut tracker = DictionaryTracker::new(false);
    let mut context = IpcWriteContext::default();
    let (_, data) = IpcDataGenerator::default()
        .encode(&batch, &mut tracker, &options, &mut context)
        .unwrap();
    let mut data = FlightData::from(data);
    let mut body = data.data_body.to_vec();
    // validity is absent, so that the body begins with the values' buffer: eight bytes of length, then LZ4
    let length = i64::from_le_bytes(body[..8].try_into().unwrap());
    assert_eq!(length, 8 * 4096, "the buffer is where it is expected");
    body[..8].copy_from_slice(&(64i64 << 40).to_le_bytes());
    data.data_body = body.into();
    vec![schema_message(&batch.schema()), data]
}

const CHILD: &str = "DAB_TEST_DECODES_A_BOMB";

/// The reason why this module exists: a message of some hundred bytes ends the process, since its decoder allocates what
/// the message asks for. Once this test fails, arrow-ipc has learned to refuse such a message, and the guard may be
/// simplified.
#[test]
fn without_the_guard_one_small_message_ends_the_process() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "ipc_guard::tests::child_that_decodes_a_bomb_without_guard",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code().is_none(),
        "killed by a signal, not ended: {:?} {printed}",
        output.status
    );
    assert!(
        printed.contains("memory allocation of 70368744177664 bytes failed"),
        "{printed}"
    );
}

/// Runs in a process of its own, started by the test above; otherwise it does nothing.
#[test]
fn child_that_decodes_a_bomb_without_guard() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let decoder = FlightDataDecoder::new(futures::stream::iter(decompression_bomb().into_iter().map(Ok)));
    let items: Vec<_> = futures::executor::block_on(decoder.collect());
    panic!("the decoder lived: {items:?}");
}

#[tokio::test]
async fn with_the_guard_it_is_refused() {
    let status = uploaded(decompression_bomb()).await.unwrap_err();
    assert!(status.message().contains("compressed"), "{status}");
}

#[tokio::test]
async fn messages_out_of_order_are_refused() {
    let messages = encoded(vec![uploadable_zoo()]);
    let (schema, batch) = (messages[0].clone(), messages.last().unwrap().clone());
    assert!(
        uploaded(vec![batch.clone()])
            .await
            .unwrap_err()
            .message()
            .contains("before the schema")
    );
    assert!(
        uploaded(vec![schema.clone(), schema.clone()])
            .await
            .unwrap_err()
            .message()
            .contains("second schema")
    );
    let truncated = FlightData {
        data_body: batch.data_body.slice(..batch.data_body.len() / 2),
        ..batch.clone()
    };
    assert!(
        uploaded(vec![schema.clone(), truncated])
            .await
            .unwrap_err()
            .message()
            .contains("bytes was announced")
    );
    let body_only = FlightData {
        data_body: batch.data_body,
        ..Default::default()
    };
    assert!(
        uploaded(vec![schema, body_only])
            .await
            .unwrap_err()
            .message()
            .contains("without a header")
    );
}

#[tokio::test]
async fn deep_or_wide_schemas_are_refused() {
    let mut deep = DataType::Int32;
    for _ in 0..NESTING_DEPTH_MAX {
        deep = DataType::List(Arc::new(Field::new("item", deep, true)));
    }
    let status = uploaded(vec![schema_message(&Schema::new(vec![Field::new("d", deep, true)]))])
        .await
        .unwrap_err();
    assert!(status.message().contains("nested deeper"), "{status}");
    let wide: Vec<_> = (0..=FIELDS_MAX)
        .map(|i| Field::new(format!("c{i}"), DataType::Int8, true))
        .collect();
    let status = uploaded(vec![schema_message(&Schema::new(wide))]).await.unwrap_err();
    assert!(status.message().contains("more than 4096 columns"), "{status}");
}

#[tokio::test]
async fn much_made_of_little_is_refused() {
    // 2 MB of views onto one string of 1 MB: 128 GB written out
    let long = "x".repeat(1 << 20);
    let mut view = StringViewBuilder::new();
    let block = view.append_block(arrow::buffer::Buffer::from(long.as_bytes()));
    (0..1 << 17).for_each(|_| view.try_append_view(block, 0, 1 << 20).unwrap());
    let dictionary = DictionaryArray::<Int32Type>::new(
        Int32Array::from(vec![0; 1 << 17]),
        Arc::new(StringArray::from(vec![long.as_str()])),
    );
    for array in [Arc::new(view.finish()) as ArrayRef, Arc::new(dictionary)] {
        let batch = RecordBatch::try_from_iter([("s", array)]).unwrap();
        let status = uploaded(encoded(vec![batch])).await.unwrap_err();
        assert!(status.message().contains("written out"), "{status}");
    }
    // rows of no bytes at all
    let nulls = RecordBatch::try_from_iter([("n", Arc::new(NullArray::new(100 << 20)) as ArrayRef)]).unwrap();
    let status = uploaded(encoded(vec![nulls])).await.unwrap_err();
    assert!(status.message().contains("without content"), "{status}");
}

/// A batch message whose buffers are announced at other offsets and lengths.
fn with_buffers(message: &FlightData, change: impl Fn(usize, (i64, i64)) -> (i64, i64)) -> FlightData {
    let root = arrow::ipc::root_as_message(&message.data_header).unwrap();
    let buffers = root.header_as_record_batch().unwrap().buffers().unwrap();
    let start = buffers.bytes().as_ptr() as usize - message.data_header.as_ptr() as usize;
    let mut header = message.data_header.to_vec();
    for (i, buffer) in buffers.iter().enumerate() {
        let (offset, length) = change(i, (buffer.offset(), buffer.length()));
        header[start + 16 * i..][..8].copy_from_slice(&offset.to_le_bytes());
        header[start + 16 * i + 8..][..8].copy_from_slice(&length.to_le_bytes());
    }
    FlightData {
        data_header: header.into(),
        ..message.clone()
    }
}

/// The decoder copies what is not aligned in memory: columns that all point to one body would be copied once each, 4096
/// columns of 2 MiB to 8 GiB.
#[tokio::test]
async fn buffers_that_overlap_or_are_not_aligned_or_end_inside_a_value_are_refused() {
    let numbers = || Arc::new(Int64Array::from(vec![7; 64])) as ArrayRef;
    let messages = encoded(vec![
        RecordBatch::try_from_iter([("a", numbers()), ("b", numbers())]).unwrap(),
    ]);
    let refusal = async |change: fn(usize, (i64, i64)) -> (i64, i64)| {
        let changed = with_buffers(&messages[1], change);
        uploaded(vec![messages[0].clone(), changed]).await
    };
    assert_eq!(refusal(|_, buffer| buffer).await.unwrap(), 64);
    // buffers 1 and 3 are the columns' values
    let shared = refusal(|i, (offset, length)| (if i == 3 { 0 } else { offset }, length)).await;
    assert!(shared.unwrap_err().message().contains("in front of it"));
    let odd = refusal(|i, (offset, length)| {
        if i == 1 {
            (offset + 4, length - 4)
        } else {
            (offset, length)
        }
    })
    .await;
    assert!(odd.unwrap_err().message().contains("not a multiple of 8"));

    let texts = encoded(vec![
        RecordBatch::try_from_iter([("s", Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef)]).unwrap(),
    ]);
    let torn = with_buffers(&texts[1], |i, (offset, length)| (offset, length + i64::from(i == 1)));
    let status = uploaded(vec![texts[0].clone(), torn]).await.unwrap_err();
    assert!(status.message().contains("inside a value of 4 bytes"), "{status}");
}

/// Every byte of the metadata and a sample of the body, changed: refused or read, but never a panic and never more memory
/// than the message could account for.
#[tokio::test]
async fn no_changed_byte_makes_the_decoder_panic() {
    let list = ListArray::new(
        Arc::new(Field::new_list_field(DataType::Utf8, true)),
        OffsetBuffer::from_lengths([1, 0, 2]),
        Arc::new(StringArray::from(vec!["a", "bb", "ccc"])),
        None,
    );
    let extra = RecordBatch::try_from_iter([("l", Arc::new(list) as ArrayRef)]).unwrap();
    let seed = 0x5eed_u64;
    println!("seed {seed:#x}");
    let panics = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&panics);
    let before = std::panic::take_hook();
    let here = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == here {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            eprintln!("{info}");
        }
    }));
    let mut refused = 0;
    let mut random = seed;
    for batch in [uploadable_zoo(), extra] {
        let messages = encoded(vec![batch]);
        for (m, message) in messages.iter().enumerate() {
            for offset in 0..message.data_header.len() {
                random = random
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                for change in [0xff, 1 << (random >> 61), (random >> 40) as u8 | 1] {
                    let mut changed = messages.clone();
                    let mut header = message.data_header.to_vec();
                    header[offset] ^= change;
                    changed[m].data_header = header.into();
                    refused += usize::from(uploaded(changed).await.is_err());
                }
            }
            for offset in (0..message.data_body.len()).step_by(3) {
                let mut changed = messages.clone();
                let mut body = message.data_body.to_vec();
                body[offset] ^= 0xff;
                changed[m].data_body = body.into();
                refused += usize::from(uploaded(changed).await.is_err());
            }
        }
    }
    std::panic::set_hook(before);
    println!("{refused} refused");
    assert!(refused > 1000, "{refused}");
    assert_eq!(
        panics.load(std::sync::atomic::Ordering::Relaxed),
        0,
        "panics were caught; the guard should have refused"
    );
}
