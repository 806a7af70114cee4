"""Image files: which are known, and what their headers say."""
from PIL import Image

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp')


def size_in_header(path: str) -> tuple[int, int]:
    """``(height, width)`` of an image file, which is not decoded; zeros if Pillow does not know the format."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # Pillow's own limit raises before it tells the size
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except (OSError, ValueError, SyntaxError):  # left to the decoder, which may know it
        return 0, 0
    finally:
        Image.MAX_IMAGE_PIXELS = limit
