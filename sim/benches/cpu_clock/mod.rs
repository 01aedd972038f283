//! A clock for benches.

/// CPU time of this thread: undisturbed by other work on the machine.
#[cfg(target_os = "linux")]
pub(crate) fn cpu_seconds() -> f64 {
    #[repr(C)]
    struct Timespec {
        seconds: i64,
        nanoseconds: i64,
    }
    unsafe extern "C" {
        fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
    }
    const CLOCK_THREAD_CPUTIME_ID: i32 = 3;
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the C library's function, on 64-bit Linux with this layout, writes `time` and nothing else.
    let status = unsafe { clock_gettime(CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0, "this thread's CPU clock");
    time.seconds as f64 + time.nanoseconds as f64 * 1e-9
}

/// Elapsed time, where no CPU time is at hand.
#[cfg(not(target_os = "linux"))]
pub(crate) fn cpu_seconds() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}
