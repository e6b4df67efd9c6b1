//! OUT, to people: email, phone, webhook.
