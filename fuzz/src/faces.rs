//! Pictures and models of faces: files that anybody may have written.

use asfaleia::access::face::{Picture, folded};

use super::is_presentable;

/// A picture's file: its size and its bytes belong together, and it can be looked at.
pub fn picture(data: &[u8]) {
    match Picture::decoded(data) {
        Ok(picture) => {
            let (width, height) = (picture.width(), picture.height());
            assert!((1..=4096).contains(&width) && (1..=4096).contains(&height));
            assert_eq!(picture.rgb().len(), width * height * 3);
            let frame = picture.in_frame(32, 24);
            assert_eq!((frame.width(), frame.height()), (32, 24));
        }
        Err(why) => is_presentable(&why.to_string(), 300),
    }
}

/// A network's file, as it is folded: whatever it is, it is refused in a word, or folded, and always
/// to the same. The program asks for its hash before; this is what stands behind that.
pub fn model(data: &[u8]) {
    match (folded(data), folded(data)) {
        (Ok(one), Ok(other)) => assert_eq!(one, other),
        (Err(one), Err(other)) => {
            assert_eq!(one.to_string(), other.to_string());
            is_presentable(&one.to_string(), 100);
        }
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => panic!("folded once, and not twice"),
    }
}
