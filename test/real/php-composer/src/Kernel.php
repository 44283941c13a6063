<?php class Kernel {}
