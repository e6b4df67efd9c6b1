//! A mail as it travels: the words, the photos, the headers.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{
    ContentDisposition, ContentId, ContentType, HeaderName, HeaderValue,
};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};

use super::words::{Words, content_id};
use super::{Outgoing, Photo};

/// Builds the mail. `multipart/related` so that the text can show the photos, which are
/// attachments with a name all the same: some mail programs show the one, some the other.
pub(super) fn compose(
    from: &Mailbox,
    to: Mailbox,
    mail: &Outgoing,
) -> Result<Message, lettre::error::Error> {
    let words = Words::new(mail);
    let now = u64::try_from(mail.now.as_millis()).unwrap_or(0);
    let mut headers = Message::builder()
        .from(from.clone())
        .to(to)
        .subject(words.subject())
        .date(UNIX_EPOCH + Duration::from_millis(now))
        .message_id(Some(bracketed(&mail.message_id)))
        // RFC 3834: no holiday notices in return.
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    if let Some(first) = &mail.in_reply_to {
        headers = headers
            .in_reply_to(bracketed(first))
            .references(bracketed(first));
    }
    let body = MultiPart::alternative_plain_html(words.text(), words.html());
    if mail.photos.is_empty() {
        return headers.multipart(body);
    }
    let mut related = MultiPart::related().multipart(body);
    for photo in &mail.photos {
        related = related.singlepart(attached(photo, &words, mail.clock_set));
    }
    headers.multipart(related)
}

fn attached(photo: &Photo, words: &Words, clock_set: bool) -> SinglePart {
    let name = if clock_set {
        let taken = words.moment(photo.taken).replace(':', "").replace(' ', "-");
        format!("photo-{}-{taken}.jpg", photo.id)
    } else {
        format!("photo-{}.jpg", photo.id)
    };
    let jpeg = ContentType::parse("image/jpeg").expect("a content type");
    SinglePart::builder()
        .header(jpeg)
        .header(ContentDisposition::attachment(&name))
        .header(ContentId::from(format!("<{}>", content_id(photo.id.0))))
        .body(photo.jpeg.to_vec())
}

fn bracketed(id: &str) -> String {
    let id: String = id
        .chars()
        .filter(|c| c.is_ascii_graphic() && !"<>".contains(*c))
        .collect();
    format!("<{id}>")
}
