"""The folder format as it is written: images/, masks/, and keypoints in COCO's format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from datasetgan_ext.core.errors import UserError
from datasetgan_ext.core.files import file_sha256, inside, remove_leftovers, save_atomically, writing
from datasetgan_ext.core.task import Task
from datasetgan_ext.formats.coco import keypoint_category, keypoint_object, write_coco
from datasetgan_ext.formats.folder import KEYPOINTS_FILE, MANIFEST, file_of, read_manifest
from datasetgan_ext.generation.encoding import Encoded


class FolderWriter:
    """Writes samples below a folder, checks and deletes them; each file is either whole or not there."""

    def __init__(self, folder: Path):
        """What a killed run left half written in the folder is deleted; nobody else may write there.

        Raises:
            UserError: images/ or masks/ leads out of the folder.
        """
        for place in (folder, inside(folder, 'images'), inside(folder, 'masks')):
            remove_leftovers(place)
        self.folder = folder

    def write(self, encoded: Encoded) -> dict:
        """Write a sample's files, and return its manifest record."""
        for name, content in encoded.files.items():
            # a continued run compares them with their hashes in the manifest
            save_atomically(self.folder / name, lambda path, content=content: path.write_bytes(content), durable=False)
        return encoded.record

    def has_files(self, record: dict) -> bool:
        """Whether a record's files are there, whatever is in them."""
        return all((self.folder / record[kind]).is_file() for kind in ('image', 'mask') if kind in record)

    def is_whole(self, record: dict) -> bool:
        """Whether a record's files are there, with the content that was written."""
        try:
            return all(
                file_of(self.folder, record, kind).is_file()
                and file_sha256(self.folder / record[kind]) == record[f'{kind}_sha256']
                for kind in ('image', 'mask')
                if kind in record
            )
        except (UserError, OSError):  # a link that leads elsewhere, which is replaced; or a file that cannot be read
            return False

    def delete_dropped(self) -> None:
        """Delete the files of samples that the finished manifest does not keep, as far as they are there."""
        for record in read_manifest(self.folder / MANIFEST):
            if not record['kept']:
                self._delete(record)

    def write_keypoints(self, task: Task, image_hw: tuple[int, int] | None) -> None:
        """Write `keypoints.json`: the kept samples' keypoints in COCO's format, from the finished manifest."""

        def kept() -> Iterator[dict]:
            return (record for record in read_manifest(self.folder / MANIFEST) if record['kept'])

        def write(path: Path) -> None:
            write_coco(path, [keypoint_category(task)], lambda record: record['image'], kept, image_hw, keypoint_object)

        save_atomically(self.folder / KEYPOINTS_FILE, write)

    def _delete(self, record: dict) -> None:
        for kind in ('image', 'mask'):
            if kind in record:
                with writing(self.folder):
                    inside(self.folder, record[kind]).unlink(missing_ok=True)
