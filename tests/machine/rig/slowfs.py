#!/usr/bin/python3
"""A FUSE file system that mirrors SOURCE at MOUNTPOINT, read-only, and answers nothing for as long as SWITCH exists.

This is what a dead network mount looks like to whoever has a file or a working directory on it.
usage: slowfs.py SOURCE MOUNTPOINT SWITCH
"""
import errno
import os
import sys
import time

import fusepy


class SlowMirror(fusepy.Operations):
    def __init__(self, source, switch):
        self.source = source
        self.switch = switch

    def __call__(self, operation, path, *arguments):
        while os.path.exists(self.switch):
            time.sleep(0.01)
        return super().__call__(operation, self.source + path, *arguments)

    def getattr(self, path, handle=None):
        found = os.lstat(path)
        names = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_atime", "st_mtime", "st_ctime")
        return {name: getattr(found, name) for name in names}

    def access(self, path, mode):
        if not os.access(path, mode):
            raise fusepy.FuseOSError(errno.EACCES)

    def readdir(self, path, handle):
        return [".", ".."] + os.listdir(path)

    def readlink(self, path):
        return os.readlink(path)

    def open(self, path, flags):
        return os.open(path, os.O_RDONLY)

    def read(self, path, size, offset, handle):
        return os.pread(handle, size, offset)

    def release(self, path, handle):
        os.close(handle)


source, mountpoint, switch = sys.argv[1:]
# no caching: every look at the file system asks it
fusepy.FUSE(
    SlowMirror(source, switch), mountpoint, foreground=True, allow_other=True, ro=True, entry_timeout=0, attr_timeout=0
)
