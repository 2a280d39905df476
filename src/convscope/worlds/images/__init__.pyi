from . import photos as photos
