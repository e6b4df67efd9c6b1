//! The program takes little memory, and what was freed goes back to the machine.

/// Two heaps for all threads, before there are any. glibc would make one for each thread, up to eight on
/// each core, and every one keeps some of its own: 0.4 MB at rest.
pub(super) fn share_heaps() {
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code)]
    // SAFETY: mallopt(3) takes no pointer and may be called at any time from any thread.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

/// Gives the kernel the pages of what was freed. glibc keeps them, in as many heaps as there are
/// threads, so that a Pi's memory would stay with what the start, an alarm, or two hundred dashboards
/// once needed. It takes well below a millisecond; other threads wait no longer than for one of the
/// heaps.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code)]
    // SAFETY: malloc_trim(3) takes no pointer and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
