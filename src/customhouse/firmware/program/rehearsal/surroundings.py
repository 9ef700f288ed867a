"""The environment, the device and its files, its network interface, and what answers that all went well."""

from .calls import Answer, Call
from .codes import code, failed
from .descriptors import new, opened
from .world import DEVICE, Open

_HARDWARE = bytes((2, 0, 0, 0, 0, 1))
_MOST_OPEN = 64


# -- the environment
def _variable(call: Call) -> int:
    name = call.text(0).decode("latin-1")
    call.host.asked.add(name)
    value = call.host.variables.get(name)
    return 0 if value is None else int(call.host.constant(value))


def _set_variable(call: Call) -> int:
    if call.name == "unsetenv":
        call.host.variables.pop(call.text(0).decode("latin-1"), None)
    elif call.name == "putenv":
        name, _, value = call.text(0).partition(b"=")
        call.host.variables[name.decode("latin-1")] = value
    elif call.int32(2) or call.text(0).decode("latin-1") not in call.host.variables:
        call.host.variables[call.text(0).decode("latin-1")] = call.text(1)
    return 0


# -- the device and its files
def _host_name(call: Call) -> int:
    call.ram.write(call.number(0), b"device\0"[: call.number(1)])
    return 0


def _exists(call: Call) -> int:
    """access: files, and all devices."""
    path = call.text(1 if call.name == "faccessat" else 0).decode("latin-1")
    return 0 if path in call.host.world.files or path.startswith("/dev/") else failed(call, "ENOENT")


def _remove(call: Call) -> int:
    call.host.world.files.pop(call.text(0).decode("latin-1"), None)
    return 0


def _rename(call: Call) -> int:
    files = call.host.world.files
    data = files.pop(call.text(0).decode("latin-1"), None)
    if data is not None:
        files[call.text(1).decode("latin-1")] = data
    return 0


def _temporary(call: Call) -> int:
    """mkstemp, mkdtemp: the same name each time is as good as any."""
    at, name = call.number(0), call.text(0)
    if name.endswith(b"XXXXXX"):
        name = name[:-6] + b"a0b1c2"
    call.ram.write(at, name)
    if call.name in ("mkdtemp", "mktemp"):
        return at
    data = call.host.world.files.setdefault(name.decode("latin-1"), bytearray())
    return new(call, Open("file", data, path=name.decode("latin-1")))


def _folder(call: Call) -> int:
    """getcwd"""
    call.ram.write(call.number(0), b"/\0")
    return call.number(0)


def _system_name(call: Call) -> int:
    """uname: six texts of 65 bytes."""
    for index, one in enumerate((b"Linux", b"device", b"4.9.37", b"#1", b"unknown", b"")):
        call.ram.write(call.number(0) + 65 * index, one + b"\0")
    return 0


def _state(call: Call) -> int:
    """sysinfo: how long the device has been up, its load, and its memory."""
    word = call.word_size
    values = (4000, 0, 0, 0, 1 << 26, 1 << 25, 0, 1 << 20, 0, 0)
    for index, value in enumerate(values):
        call.ram.store(call.number(0) + word * index, value, word)
    return 0


def _limits(call: Call) -> int:
    """getrlimit"""
    for index in (0, 1):
        call.ram.store(call.number(1) + call.word_size * index, _MOST_OPEN, call.word_size)
    return 0


def _base(call: Call) -> int:
    """basename"""
    text = call.text(0)
    return call.number(0) + text.rfind(b"/") + 1


def _folder_of(call: Call) -> int:
    """dirname"""
    text = call.text(0)
    at = text.rfind(b"/")
    if at <= 0:
        return int(call.host.constant(b"/" if at == 0 else b"."))
    call.ram.store(call.number(0) + at, 0, 1)
    return call.number(0)


def _interface(call: Call) -> int:
    """ioctl: what is asked about a network interface, how many bytes wait, and whether calls wait."""
    one, asked, at = opened(call, call.int32(0)), call.number(1) & 0xFFFFFFFF, call.number(2)
    order = call.ram.order
    answers = {
        _ADDRESS: (2).to_bytes(2, order) + bytes(2) + bytes(DEVICE),
        _BROADCAST: (2).to_bytes(2, order) + bytes(2) + bytes((*DEVICE[:3], 255)),
        _NETMASK: (2).to_bytes(2, order) + bytes(2) + bytes((255, 255, 255, 0)),
        _HARDWARE_ADDRESS: (1).to_bytes(2, order) + _HARDWARE,
        _FLAGS: (0x1043).to_bytes(2, order),
        _INDEX: (2).to_bytes(4, order),
    }
    if asked in answers:
        call.ram.write(at + _INTERFACE_NAME, answers[asked])
    elif one is not None and asked == code(call, "FIONBIO"):
        one.waits = not call.ram.load(at, 4)
    elif one is not None and asked == code(call, "FIONREAD"):
        call.ram.store(at, len(one.data) or sum(map(len, one.messages[:1])), 4)
    return 0


_ADDRESS, _BROADCAST, _NETMASK, _HARDWARE_ADDRESS, _FLAGS, _INDEX = 0x8915, 0x8919, 0x891B, 0x8927, 0x8913, 0x8933
_INTERFACE_NAME = 16


def _well(call: Call) -> int:
    return 0


def _refused(call: Call) -> int:
    return failed(call, "ENOENT")


def _none(call: Call) -> int:
    """A null pointer."""
    failed(call, "ENOENT")
    return 0


_WELL = """
free cfree listen shutdown fsync fdatasync sync flock lockf chmod fchmod chown mkdir rmdir chdir fchdir umask setsid
setpgid setuid setgid seteuid setegid setgroups initgroups getuid geteuid getgid getegid openlog closelog syslog
__syslog_chk vsyslog printf __printf_chk vprintf __vprintf_chk __vsyslog_chk perror fflush setvbuf setbuf setlinebuf
fpurge atexit __cxa_atexit __cxa_finalize __gmon_start__ _ITM_registerTMCloneTable _ITM_deregisterTMCloneTable tzset
setlocale sigemptyset sigfillset sigaddset sigdelset sigprocmask pthread_sigmask siginterrupt pthread_mutex_init
pthread_mutex_destroy pthread_cond_init pthread_cond_destroy pthread_attr_init pthread_attr_destroy
pthread_attr_setdetachstate pthread_attr_setstacksize pthread_detach pthread_setname_np pthread_mutexattr_init
pthread_mutexattr_settype pthread_mutexattr_destroy pthread_rwlock_init pthread_rwlock_destroy pthread_condattr_init
pthread_condattr_setclock pthread_condattr_destroy pthread_setcancelstate pthread_setcanceltype sem_destroy prctl nice
setpriority setrlimit mlockall truncate ftruncate utime utimes reboot sched_yield posix_spawn_file_actions_init
posix_spawn_file_actions_addopen posix_spawn_file_actions_adddup2 posix_spawn_file_actions_addclose
posix_spawn_file_actions_destroy posix_spawnattr_init posix_spawnattr_setflags posix_spawnattr_destroy
posix_spawnattr_setsigmask posix_spawnattr_setsigdefault posix_spawnattr_setpgroup timer_delete mount umount umount2
tcsetattr tcgetattr cfsetispeed cfsetospeed cfmakeraw isatty link symlink fchown lchown madvise munmap mprotect
flockfile funlockfile endpwent endgrent freeaddrinfo regfree inotify_add_watch closedir cfsetspeed tcsendbreak
clock_settime settimeofday getrusage clearenv statfs statvfs malloc_trim mallopt
"""
_REFUSED = """
getifaddrs stat lstat fstat stat64 lstat64 fstat64 __xstat __lxstat __fxstat __xstat64 __lxstat64 __fxstat64 readlink
statx forkpty openpty glob wordexp sem_unlink
"""
_NONE = """
getpwnam getpwuid getgrnam getspnam opendir readdir if_nametoindex dlopen dlsym dlerror getservbyname setmntent crypt
getlogin realpath sem_open
"""

ANSWERS: dict[str, Answer] = {
    **dict.fromkeys(_WELL.split(), _well),
    **dict.fromkeys(_REFUSED.split(), _refused),
    **dict.fromkeys(_NONE.split(), _none),
    **dict.fromkeys(("getenv", "secure_getenv"), _variable),
    **dict.fromkeys(("setenv", "putenv", "unsetenv"), _set_variable),
    "gethostname": _host_name,
    **dict.fromkeys(("access", "faccessat", "euidaccess"), _exists),
    **dict.fromkeys(("unlink", "remove"), _remove),
    "rename": _rename,
    **dict.fromkeys(("mkstemp", "mkdtemp", "mkostemp", "mktemp"), _temporary),
    "__errno_location": lambda call: int(call.host.errno()),
    "__h_errno_location": lambda call: int(call.host.errno()) + 8,
    "getpagesize": lambda call: 4096,
    "sysconf": lambda call: _MOST_OPEN,
    "getdtablesize": lambda call: _MOST_OPEN,
    "getcwd": _folder,
    "uname": _system_name,
    "sysinfo": _state,
    **dict.fromkeys(("getrlimit", "getrlimit64"), _limits),
    **dict.fromkeys(("basename", "__xpg_basename"), _base),
    "dirname": _folder_of,
    "ioctl": _interface,
    "gai_strerror": lambda call: int(call.host.constant(b"Name or service not known")),
}
