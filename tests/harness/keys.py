"""Names of objects that clients and servers like to get wrong: each is also a good name for a file."""

ODD_KEYS = [
    "100%.txt",
    "a&b=c;d,e.txt",
    "percent%20encoded%2Fslash.txt",
    "plain.txt",
    "plus+sign.txt",
    "quote's (and) more!.txt",
    "tilde~at@dollar$.txt",
    "with space/two  spaces.txt",
    "é/日本語/😀.txt",
]


def body_of(key):
    """A body that no other key has."""
    return f"this is {key}\n".encode()


def write_files(folder, keys=ODD_KEYS):
    """Makes a file of each key below the folder."""
    for key in keys:
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body_of(key))
    return folder


def files_in(folder):
    """Key to body of every file below the folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
