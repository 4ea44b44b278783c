//! Bytes from elsewhere → text: a byte order mark, the charset and the packing that their sender
//! declares.
//!
//! JSON is UTF-8 and unpacked, and most senders know. What another one declares is done here, within
//! limits; what cannot be done is an error that keeps its bytes with the caller. Nothing is guessed: a
//! body that declares nothing is UTF-8.

use std::borrow::Cow;
use std::io::Read;

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// A body may be packed this often over; more is an attack.
const MAX_PACKINGS: usize = 2;
/// A body may grow by this factor when it is unpacked. Rows that hardly differ reach about 60; the
/// format allows 1,032, which only bombs come near.
const MAX_RATIO: usize = 200;
/// Up to this size the factor does not count: a short body of blanks is nobody's attack.
const RATIO_FREE_BYTES: usize = 64 * 1024;

const UTF_8_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a sender says of a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Declared<'a> {
    /// `Content-Type`, of which only the charset counts.
    pub content_type: Option<&'a str>,
    /// `Content-Encoding`: gzip or deflate.
    pub content_encoding: Option<&'a str>,
}

/// What bytes say.
#[derive(Debug, PartialEq, Eq)]
pub struct Text<'a> {
    pub text: Cow<'a, str>,
    /// False when some of the bytes are no text in the declared charset, and are U+FFFD here.
    pub is_exact: bool,
}

/// Why a body cannot be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Packed {
    #[error("its Content-Encoding is neither gzip nor deflate")]
    Unknown,
    #[error("it is not packed as its Content-Encoding says")]
    Broken,
    #[error("it unpacks to more than is taken")]
    TooLarge,
}

/// The text of a body of which a sender declared this, at most `limit_bytes` of it unpacked.
///
/// # Errors
/// When it cannot be unpacked.
pub fn decode<'a>(
    body: &'a [u8],
    declared: Declared<'_>,
    limit_bytes: usize,
) -> Result<Text<'a>, Packed> {
    Ok(match unpack(body, declared.content_encoding, limit_bytes)? {
        Cow::Borrowed(bytes) => text(bytes, declared.content_type),
        Cow::Owned(bytes) => {
            let Text { text, is_exact } = text(&bytes, declared.content_type);
            Text { text: Cow::Owned(text.into_owned()), is_exact }
        }
    })
}

/// A body without its packing. One that is plain JSON although it is declared to be packed stays as it
/// is: a proxy unpacked it and left the header.
///
/// # Errors
/// When it is not packed as declared, or unpacks to more than `limit_bytes` or than [`MAX_RATIO`]
/// times its size.
pub fn unpack<'a>(
    body: &'a [u8],
    content_encoding: Option<&str>,
    limit_bytes: usize,
) -> Result<Cow<'a, [u8]>, Packed> {
    let packings = content_encoding.unwrap_or_default().split(',').map(str::trim);
    let packings: Vec<String> = packings
        .filter(|packing| !packing.is_empty())
        .map(str::to_ascii_lowercase)
        .filter(|packing| packing != "identity")
        .collect();
    if packings.len() > MAX_PACKINGS {
        return Err(Packed::Unknown);
    }
    let mut bytes = Cow::Borrowed(body);
    // The last one was put on last.
    for packing in packings.iter().rev() {
        let limit = limit_bytes.min((bytes.len() * MAX_RATIO).max(RATIO_FREE_BYTES));
        let unpacked = match packing.as_str() {
            "gzip" | "x-gzip" => read_all(MultiGzDecoder::new(&*bytes), limit),
            // RFC 9110 means zlib; some senders leave its frame out.
            "deflate" => match read_all(ZlibDecoder::new(&*bytes), limit) {
                Err(Packed::Broken) => read_all(DeflateDecoder::new(&*bytes), limit),
                read => read,
            },
            _ => Err(Packed::Unknown),
        };
        match unpacked {
            Ok(unpacked) => bytes = Cow::Owned(unpacked),
            Err(Packed::Broken) if is_json_text(&bytes) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

fn read_all(packed: impl Read, limit: usize) -> Result<Vec<u8>, Packed> {
    let mut unpacked = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    packed.take(most).read_to_end(&mut unpacked).map_err(|_| Packed::Broken)?;
    if unpacked.len() > limit { Err(Packed::TooLarge) } else { Ok(unpacked) }
}

fn is_json_text(bytes: &[u8]) -> bool {
    let text = without_mark(bytes).trim_ascii_start();
    std::str::from_utf8(text).is_ok() && matches!(text.first(), Some(b'{' | b'['))
}

/// What bytes say in the charset that a `Content-Type` declares. A byte order mark is believed first,
/// as everywhere on the web; a charset that nobody knows counts as none.
pub fn text<'a>(bytes: &'a [u8], content_type: Option<&str>) -> Text<'a> {
    let label = content_type.and_then(charset);
    let encoding = label.and_then(|label| Encoding::for_label_no_replacement(label.as_bytes()));
    let encoding = match encoding {
        // Its label leaves the order of bytes open, and JSON begins with a character below U+0080.
        Some(encoding) if encoding == UTF_16LE && bytes.first() == Some(&0) => UTF_16BE,
        Some(encoding) => encoding,
        None => UTF_8,
    };
    let (text, _, is_odd) = encoding.decode(bytes);
    let is_exact = !is_odd && !text.contains('\0');
    Text { text, is_exact }
}

/// `charset` of a `Content-Type`, quoted or not.
fn charset(content_type: &str) -> Option<&str> {
    let mut parameters = content_type.split(';').skip(1);
    parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| value.trim().trim_matches(['"', '\'']))
    })
}

/// An answer's body as UTF-8 without a byte order mark; the same bytes where it is so already.
pub fn readable(body: &Bytes, content_type: Option<&str>) -> Bytes {
    let is_utf_8 = content_type.and_then(charset).is_none_or(|label| {
        Encoding::for_label(label.as_bytes()).is_none_or(|encoding| encoding == UTF_8)
    });
    let has_wide_mark = body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff");
    if is_utf_8 && !has_wide_mark {
        return body.slice_ref(without_mark(body));
    }
    match text(body, content_type) {
        Text { text, is_exact: true } => Bytes::from(text.into_owned()),
        Text { .. } => body.clone(),
    }
}

/// Without the byte order mark that some editors put before UTF-8.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(UTF_8_MARK).unwrap_or(bytes)
}

/// The text of a file that a person wrote: UTF-8, or UTF-16 with a byte order mark, as editors on
/// Windows write; None when it is neither.
pub fn file_text(bytes: Vec<u8>) -> Option<String> {
    match Encoding::for_bom(&bytes) {
        None => String::from_utf8(bytes).ok(),
        Some((encoding, mark)) => {
            let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes[mark..]);
            text.map(Cow::into_owned)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const LIMIT: usize = 1024 * 1024;
    const SAID: &str = "{\"customField\":\"\u{79cb}\u{5929} caf\u{e9}\"}";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(
        body: &[u8],
        content_type: Option<&str>,
        content_encoding: Option<&str>,
    ) -> Result<(String, bool), Packed> {
        let declared = Declared { content_type, content_encoding };
        decode(body, declared, LIMIT).map(|read| (read.text.into_owned(), read.is_exact))
    }

    #[test]
    fn what_is_declared_is_done() {
        let chinese = "{\"customField\":\"\u{79cb}\u{5929}\"}";
        let western = "{\"customField\":\"caf\u{e9}\"}";
        let wide = |text: &str, order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(order).collect()
        };
        let marked = |mark: &[u8], bytes: Vec<u8>| [mark.to_vec(), bytes].concat();
        for (said, body, content_type) in [
            (SAID, SAID.into(), None),
            (SAID, SAID.into(), Some("application/json; charset=UTF-8")),
            (SAID, marked(UTF_8_MARK, SAID.into()), None),
            (SAID, marked(UTF_8_MARK, SAID.into()), Some("text/plain; charset=GBK")),
            (chinese, encoding_rs::GBK.encode(chinese).0.into(), Some("a/b;charset=GBK")),
            (chinese, encoding_rs::GBK.encode(chinese).0.into(), Some("a/b; Charset=\"gb18030\"")),
            (
                western,
                encoding_rs::WINDOWS_1252.encode(western).0.into(),
                Some("a/b;charset=latin1"),
            ),
            (SAID, wide(SAID, u16::to_le_bytes), Some("a/b; charset=utf-16")),
            (SAID, wide(SAID, u16::to_be_bytes), Some("a/b; charset=utf-16")),
            (SAID, wide(SAID, u16::to_be_bytes), Some("a/b; charset=utf-16be")),
            (SAID, marked(b"\xff\xfe", wide(SAID, u16::to_le_bytes)), None),
            (SAID, SAID.into(), Some("a/b; charset=klingon")),
        ] {
            let read = decoded(&body, content_type, None);
            assert_eq!(read, Ok((said.to_owned(), true)), "{content_type:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_marked_and_cost_only_themselves() {
        assert_eq!(
            decoded(b"{\"a\":\"\xff\"}", None, None),
            Ok(("{\"a\":\"\u{fffd}\"}".into(), false))
        );
        assert!(!decoded(b"\"\0\"", None, None).unwrap().1, "no store keeps it");
    }

    #[test]
    fn bodies_are_unpacked_as_declared() {
        let mut framed = ZlibEncoder::new(Vec::new(), Compression::fast());
        framed.write_all(SAID.as_bytes()).unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
        bare.write_all(SAID.as_bytes()).unwrap();
        for (body, packing) in [
            (gzip(SAID.as_bytes()), "gzip"),
            (gzip(SAID.as_bytes()), "X-GZIP"),
            (gzip(&gzip(SAID.as_bytes())), "gzip, gzip"),
            (framed.finish().unwrap(), "deflate"),
            (bare.finish().unwrap(), "deflate"),
            (SAID.into(), "identity"),
            (SAID.into(), "gzip"),
            (SAID.into(), "deflate"),
        ] {
            let read = decoded(&body, None, Some(packing));
            assert_eq!(read, Ok((SAID.to_owned(), true)), "{packing}");
        }
        assert_eq!(decoded(SAID.as_bytes(), None, Some("br")), Err(Packed::Unknown));
        assert_eq!(decoded(b"\x1f\x8b\x08 no", None, Some("gzip")), Err(Packed::Broken));
        let thrice = gzip(&gzip(&gzip(SAID.as_bytes())));
        assert_eq!(decoded(&thrice, None, Some("gzip,gzip,gzip")), Err(Packed::Unknown));
    }

    #[test]
    fn a_bomb_is_not_unpacked() {
        let blanks = |count: usize| gzip(&vec![b' '; count]);
        assert_eq!(decoded(&blanks(LIMIT + 1), None, Some("gzip")), Err(Packed::TooLarge));
        let (small, many) = (blanks(RATIO_FREE_BYTES), blanks(LIMIT / 2));
        assert!(many.len() * MAX_RATIO < LIMIT / 2, "it grows by more than the factor");
        assert!(decoded(&small, None, Some("gzip")).is_ok());
        assert_eq!(decoded(&many, None, Some("gzip")), Err(Packed::TooLarge));
        assert_eq!(
            decoded(&gzip(&blanks(LIMIT * 8)), None, Some("gzip, gzip")),
            Err(Packed::TooLarge)
        );
    }

    #[test]
    fn files_may_have_a_byte_order_mark() {
        let wide: Vec<u8> = "\u{feff}secret".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [b"secret".to_vec(), [UTF_8_MARK, b"secret"].concat(), wide] {
            assert_eq!(file_text(bytes).as_deref(), Some("secret"));
        }
        assert_eq!(file_text(b"\xff".to_vec()), None);
    }

    #[test]
    fn an_answer_that_is_utf_8_already_is_not_copied() {
        let body = Bytes::from_static(b"\xef\xbb\xbf{}");
        let read = readable(&body, Some("application/json"));
        assert_eq!((&read[..], read.as_ptr()), (&b"{}"[..], body[3..].as_ptr()));
        let gbk = Bytes::from(encoding_rs::GBK.encode("\u{79cb}").0.into_owned());
        assert_eq!(readable(&gbk, Some("a/b; charset=GBK")), "\u{79cb}".as_bytes());
    }
}
