/* Drives and watches the lines of a gpio-sim chip inside the guest, to the millisecond; and stalls its
 * webcam, vivid.
 *
 *   wires watch LINE...                 prints "NANOSECONDS LINE VALUE" now and at every change
 *   wires pulse COUNT ON OFF LINE...    pulls all the lines up together for ON ms, then down for
 *                                       OFF ms, COUNT times; prints when it pulled up
 *   wires lose PERCENT                  /dev/video0 loses so many of its frames; 100 is a stall
 *
 * LINE is the folder of a line in sysfs. Times are CLOCK_BOOTTIME, the clock that asfaleia runs on.
 * A compiled program, because a shell that polls takes a whole emulated processor. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/videodev2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { LINES = 8 };

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void wait_until(long long at)
{
    struct timespec t = { at / 1000000000LL, at % 1000000000LL };
    while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &t, NULL) != 0) { }
}

static int open_line(const char *folder, const char *name, int flags)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int file = open(path, flags);
    if (file < 0) {
        perror(path);
        exit(1);
    }
    return file;
}

static int watch(int count, char **folders)
{
    int files[LINES];
    char last[LINES] = { 0 };
    for (int i = 0; i < count; i++)
        files[i] = open_line(folders[i], "value", O_RDONLY);
    for (;; wait_until(now() + 1000000)) {
        for (int i = 0; i < count; i++) {
            char value = '?';
            if (pread(files[i], &value, 1, 0) != 1 || value == last[i])
                continue;
            last[i] = value;
            printf("%lld %s %c\n", now(), strrchr(folders[i], '/') + 1, value);
            if (fflush(stdout) != 0)
                return 1;
        }
    }
}

/* Waits for so long. An emulated processor may stand still meanwhile, and the kernel's timers with it:
 * only pieces that went by in time are counted, so that no level is too short to be seen. */
static void lasts(int milliseconds)
{
    for (int passed = 0; passed < milliseconds;) {
        long long at = now() + 5000000;
        wait_until(at);
        if (now() < at + 3000000)
            passed += 5;
    }
}

static int pulse(int pulses, int on, int off, int count, char **folders)
{
    int files[LINES];
    for (int i = 0; i < count; i++)
        files[i] = open_line(folders[i], "pull", O_WRONLY);
    /* On one processor: the kernel's debounce timer runs where the edge was made. */
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(1, &one);
    sched_setaffinity(0, sizeof one, &one);
    for (int n = 0; n < pulses; n++) {
        for (int up = 1; up >= 0; up--) {
            const char *pull = up ? "pull-up" : "pull-down";
            if (up)
                printf("%lld\n", now());
            for (int i = 0; i < count; i++)
                if (pwrite(files[i], pull, strlen(pull), 0) < 0) {
                    perror(folders[i]);
                    return 1;
                }
            lasts(up ? on : off);
        }
    }
    return 0;
}

static int lose(int percent)
{
    /* vivid's control percentage_of_dropped_buffers (VIVID_CID_PERCENTAGE_DROPPED) */
    struct v4l2_control control = { .id = 0x00f0f040, .value = percent };
    if (ioctl(open("/dev/video0", O_RDWR), VIDIOC_S_CTRL, &control) != 0) {
        perror("/dev/video0");
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 2 && argc - 2 <= LINES && strcmp(argv[1], "watch") == 0)
        return watch(argc - 2, argv + 2);
    if (argc > 5 && argc - 5 <= LINES && strcmp(argv[1], "pulse") == 0)
        return pulse(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), argc - 5, argv + 5);
    if (argc == 3 && strcmp(argv[1], "lose") == 0)
        return lose(atoi(argv[2]));
    fprintf(stderr, "usage: wires watch LINE... | pulse COUNT ON OFF LINE... | lose PERCENT\n");
    return 64;
}
